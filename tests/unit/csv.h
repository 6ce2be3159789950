/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the fact tables of the shared test data: quoted fields, no newlines
 * in fields. For tests only: asserts instead of returning errors. */
#ifndef VDS_TEST_CSV_H
#define VDS_TEST_CSV_H

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CSV_MAX 160

struct csv {
	FILE *file;
	char *header;
	char *columns[CSV_MAX];
	int num_columns;
	char *line;
	char *fields[CSV_MAX];
};

/* Splits @line in place. */
static inline int csv_split(char *line, char **fields)
{
	int n = 0;
	line[strcspn(line, "\r\n")] = '\0';
	for (char *at = line; at; ) {
		/* Not ck_assert(): that is a write() for each of a million. */
		if (n == CSV_MAX)
			ck_abort_msg("more than %d columns", CSV_MAX);
		char *out = at, *end;
		fields[n++] = out;
		if (*at == '"') {
			for (at++; *at && !(at[0] == '"' && at[1] != '"'); at++) {
				at += *at == '"';
				*out++ = *at;
			}
			end = strchr(at, ',');
			*out = '\0';
		} else {
			end = strchr(at, ',');
			if (end)
				*end = '\0';
		}
		at = end ? end + 1 : NULL;
	}
	return n;
}

static inline void csv_open(struct csv *csv, const char *path)
{
	size_t cap = 0;
	memset(csv, 0, sizeof(*csv));
	csv->file = fopen(path, "r");
	ck_assert_msg(csv->file, "%s", path);
	ck_assert(getline(&csv->header, &cap, csv->file) > 0);
	csv->num_columns = csv_split(csv->header, csv->columns);
}

static inline bool csv_next(struct csv *csv)
{
	size_t cap = 0;
	free(csv->line);
	csv->line = NULL;
	return getline(&csv->line, &cap, csv->file) > 0 &&
	       csv_split(csv->line, csv->fields) == csv->num_columns;
}

static inline const char *csv_get(const struct csv *csv, const char *column)
{
	for (int i = 0; i < csv->num_columns; i++) {
		if (strcmp(csv->columns[i], column) == 0)
			return csv->fields[i];
	}
	ck_abort_msg("no column %s", column);
	return NULL;
}

static inline unsigned long long csv_num(const struct csv *csv,
					 const char *column)
{
	return strtoull(csv_get(csv, column), NULL, 0);
}

static inline void csv_close(struct csv *csv)
{
	fclose(csv->file);
	free(csv->header);
	free(csv->line);
}

#endif
