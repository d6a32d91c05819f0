/*
 * warm.c - what the parent scans before it forks
 */
#include "spamd/warm.h"

#include "check/check.h"
#include "check/rewrite.h"
#include "util/strbuf.h"

enum { ROUNDS = 12, WORDS_A_LINE = 11, LINES_A_PARAGRAPH = 3 };

static const char head[] =
	"Return-Path: <anna.miller@example.com>\n"
	"Received: from mail.example.com (mail.example.com [192.0.2.25])\n"
	"\tby mx.example.org (Postfix) with ESMTPS id 4F2A91C0D3\n"
	"\tfor <bob@example.org>; Mon, 24 Nov 2025 10:01:02 +0100 (CET)\n"
	"Received: from [198.51.100.7] (unknown [198.51.100.7])\n"
	"\tby mail.example.com with SMTP id abc123; Mon, 24 Nov 2025 09:01:01 +0000\n"
	"Message-ID: <20251124090101.GA1234@mail.example.com>\n"
	"Date: Mon, 24 Nov 2025 09:01:00 +0000\n"
	"From: \"Anna Miller\" <anna.miller@example.com>\n"
	"To: Bob <bob@example.org>, list@lists.example.net\n"
	"Reply-To: office@example.com\n"
	"Subject: Re: Your account, the meeting on Monday and our new prices\n"
	"List-Unsubscribe: <https://www.example.com/unsubscribe?id=123>\n"
	"X-Mailer: Example Mail 5.2\n"
	"MIME-Version: 1.0\n"
	"Content-Type: multipart/alternative; boundary=\"=_part\"\n\n";

static const char words[] =
	"the of and to in a is that for it as was with be by on not he I this are or his from at "
	"which but have an had they you were their one all we can her has there been if more when "
	"will would who so no out up said what its about than into them only other new some could "
	"time these two may then do first any my now such like our over man me even most made "
	"after also did many before must through back years where much your way well down should "
	"because each just those people how too little state good very make world still own see "
	"men work long get here between both life being under never day same another know while "
	"last might us great old year off come since against go came right used take three "
	"account address please click below free offer money business company order online price "
	"credit bank transfer million dollars security information confirm password update "
	"service customer contact email mailing list subscribe unsubscribe remove message reply "
	"wrote: thanks regards. Hello, Dear friend, www.example.com http://example.net/page "
	"http://www.example.org/index.html 24 100% $50 1,000.00 2025 10:30 +1-555-0100 (see) "
	"\"quoted\" -- don't it's I'm > >> * ... server software linux windows file system "
	"version problem patch program install code perl user network internet web site page "
	"home health products loss weight medicine guarantee risk investment stock market "
	"interest rate mortgage loan approved winner prize claim urgent confidential government "
	"country foreign bitcoin wallet video photo attached invoice payment delivery";

/* The words with another stride each round, so that they meet other neighbours. */
static void
add_prose(struct strbuf *buf, const slice_vec *list, size_t stride, bool html)
{
	size_t at = 0;

	for (size_t i = 0; i < list->count; i++, at = (at + stride) % list->count) {
		strbuf_add(buf, list->items[at]);
		if ((i + 1) % WORDS_A_LINE != 0)
			strbuf_add_byte(buf, ' ');
		else if ((i + 1) % (WORDS_A_LINE * LINES_A_PARAGRAPH) != 0)
			strbuf_add_byte(buf, '\n');
		else if (html)
			strbuf_add(buf, SLICE(".</p>\n<p class=\"x\"><a href=\"http://www.example."
			                      "com/go?a=1&amp;b=2\"><font color=\"#336699\" "
			                      "size=2>more</font></a><br>\n"));
		else
			strbuf_add(buf, SLICE(".\n\n"));
	}
}

static struct slice
make_message(struct arena *arena, const slice_vec *list, size_t round)
{
	struct strbuf buf;

	strbuf_init(&buf, arena, 0);
	strbuf_add(&buf, slice_from_cstr(head));
	strbuf_add(&buf, SLICE("--=_part\nContent-Type: text/plain; charset=utf-8\n\n"));
	add_prose(&buf, list, 2 * round + 1, false);
	strbuf_add(
		&buf,
		SLICE("\nna\xc3\xafve caf\xc3\xa9 \xe2\x80\x9cquoted\xe2\x80\x9d http://b\xc3\xbc"
	              "cher.example/ http://xn--bcher-kva.example.com/\n"));
	strbuf_add(&buf, SLICE("--=_part\nContent-Type: text/html; charset=utf-8\n\n<html><head>"
	                       "<title>News</title></head><body bgcolor=\"#ffffff\">\n<table "
	                       "width=\"600\" border=0><tr><td align=center>\n"));
	add_prose(&buf, list, 2 * round + 3, true);
	strbuf_add(&buf, SLICE("</td></tr></table></body></html>\n--=_part--\n"));
	return strbuf_is_bad(&buf) ? SLICE_NULL : strbuf_slice(&buf);
}

static void
split_words(struct arena *arena, slice_vec *list)
{
	struct slice rest = slice_from_cstr(words);

	while (rest.len > 0) {
		size_t end = slice_find_byte(rest, ' ', 0);

		end = end == SLICE_NPOS ? rest.len : end;
		(void)vec_push(arena, list, slice_sub(rest, 0, end));
		rest = slice_from(rest, end < rest.len ? end + 1 : end);
	}
}

struct match_scratch *
warm_scratch(const struct filter *filter)
{
	struct match_scratch *match = match_scratch_create();
	struct arena *texts = arena_create(0), *arena = arena_create(0);
	slice_vec list = {0};

	if (match != NULL && texts != NULL && arena != NULL)
		split_words(texts, &list);
	for (size_t round = 0; round < ROUNDS && list.count > 0; round++) {
		struct slice text = make_message(texts, &list, round);
		struct check *check =
			text.data == NULL ? NULL : check_create(filter, arena, match, text, NULL);

		if (check != NULL) {
			check_run_all(check);
			(void)rewrite_message(check);
		}
		arena_reset(arena);
	}
	arena_destroy(&texts);
	arena_destroy(&arena);
	if (match != NULL)
		match_scratch_settle(match);
	return match;
}
