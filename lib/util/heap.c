#include "util/heap.h"

#include <limits.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	LARGE_PAGE = 2 * 1024 * 1024,
	LARGEST_CHUNK = 32 * 1024 * 1024 /* more is refused */
};

void
heap_prefer_large_pages(size_t bytes)
{
#if defined(__GLIBC__) && defined(MADV_HUGEPAGE) && !defined(__SANITIZE_ADDRESS__)
	uintptr_t begin, end;
	void *volatile first; /* else the compiler sees that nobody needs it */

	if (bytes > INT_MAX || mallopt(M_TOP_PAD, (int)bytes) == 0)
		return;
	(void)mallopt(M_MMAP_THRESHOLD, LARGEST_CHUNK);
	(void)mallopt(M_TRIM_THRESHOLD, INT_MAX);
	begin = (uintptr_t)sbrk(0);
	/* More than what is left of the heap now, so that it must grow. */
	first = malloc(LARGE_PAGE / 4);
	end = (uintptr_t)sbrk(0);
	free(first);
	(void)mallopt(M_TOP_PAD, LARGE_PAGE);
	begin = (begin + LARGE_PAGE - 1) & ~(uintptr_t)(LARGE_PAGE - 1);
	end &= ~(uintptr_t)(LARGE_PAGE - 1);
	if (begin < end)
		(void)madvise((void *)begin, end - begin, MADV_HUGEPAGE); // NOLINT
#else
	(void)bytes;
#endif
}
