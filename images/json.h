/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of JSON, written as they come: a large scene's truth is 50 MB. */
#ifndef MKSCENE_JSON_H
#define MKSCENE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* A recipe's text as readers show it ({HEX} undone), or null. */
void json_string(FILE *f, const char *text);
/* An address: hex digits in quotes. */
void json_hex(FILE *f, uint64_t value);
/* ,"key":value; an address of 0 is null */
void json_key_text(FILE *f, const char *key, const char *text);
void json_key_hex(FILE *f, const char *key, uint64_t value);
void json_key_int(FILE *f, const char *key, uint64_t value);
void json_key_bool(FILE *f, const char *key, bool value);

#endif
