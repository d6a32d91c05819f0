/*
 * report.h - what the verdict says in words
 *
 * Source: PerMsgStatus.pm check_cleanup, get_report, get_content_preview; the table layout is read
 * by clients (FIELD.md 1.1), so columns are as in the reference.
 */
#ifndef WINNOW_CHECK_REPORT_H
#define WINNOW_CHECK_REPORT_H

#include "check/check.h"

/* "* 1.0 NAME BODY: description" lines (_REPORT_ without its first line end). */
struct slice report_hits(struct check *check);
/* " 1.0 NAME                   BODY: description" lines (_SUMMARY_). */
struct slice report_summary(struct check *check);
/* The first lines of the body (_PREVIEW_). */
struct slice report_preview(struct check *check);
/* The report template filled in, ended by one empty line. */
struct slice report_text(struct check *check);

#endif
