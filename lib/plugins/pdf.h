/*
 * pdf.h - what the lines of a PDF file say without taking it apart
 *
 * Owns: struct pdf_facts.  Source: Plugin/PDFInfo.pm of 4.0.1, which looks at lines, not objects.
 * Untrusted bytes; linear time: every search that finds nothing in a line is not repeated in it.
 */
#ifndef WINNOW_PLUGINS_PDF_H
#define WINNOW_PLUGINS_PDF_H

#include "util/arena.h"
#include "util/hashmap.h"
#include "util/slice.h"
#include "util/vec.h"

enum pdf_property {
	PDF_AUTHOR,
	PDF_CREATOR,
	PDF_CREATED,
	PDF_MODIFIED,
	PDF_PRODUCER,
	PDF_TITLE,
	PDF_PROPERTIES
};

enum { PDF_URIS_MAX = 20, PDF_IMAGES_MAX = 1000, PDF_VALUES_MAX = 100 };

struct pdf_image {
	struct slice height, width; /* digits as written */
};

struct pdf_facts {
	struct slice version; /* "1.4" */
	bool encrypted;
	VEC(struct pdf_image) images;
	double total_height, total_width, total_area;
	slice_vec uris;                       /* distinct */
	slice_vec properties[PDF_PROPERTIES]; /* in order, repeated ones too */
	struct slice head;                    /* first lines, for a fuzzy digest */
	struct slice names;                   /* of objects that begin lines, one after the other */
};

/* false: no "%PDF-" near the start. */
bool pdf_read(struct arena *arena, struct slice data, struct pdf_facts *facts_r);

#endif
