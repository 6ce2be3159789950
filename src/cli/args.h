/* SPDX-License-Identifier: Apache-2.0 */
/* Options that come with every command. */
#ifndef VDS_CLI_ARGS_H
#define VDS_CLI_ARGS_H

#include "base/arena.h"
#include "vadose/error.h"

struct vds_list {
	const char **items;
	size_t count, cap;
};

struct vds_args {
	struct vds_arena arena;
	const char *image;		/* -f */
	const char *renderer;		/* -r, NULL = table */
	const char *out;		/* -o, NULL = stdout */
	struct vds_list plugin_dirs;	/* -p */
	struct vds_list profile_dirs;	/* -s */
	unsigned int quiet, verbose;
	bool help, version;
	unsigned int threads;		/* -j, 0 = all processors */
	bool has_dtb, has_base, exact;
	uint64_t dtb, base;
	const char *profile;
	const char *format;		/* --format: of the container */
	const char *object;		/* --object: which memory of it */
	const char *acquired_at;
	const char *progress;		/* "auto", "always", "never" */
	/* Filters over any plugin's rows. */
	struct vds_list pids, processes;
	struct vds_list where;		/* all of them have to hold */
	const char *fields, *sort;
	uint64_t limit;			/* 0 = none */
	const char *fail_on;		/* "rows", a severity, or NULL */
	bool hash;			/* SHA-256 of the image in run_start */
	/* The first word that is no option, and what follows it. */
	const char *command;
	int rest;			/* index of the argument after it */
};

/*
 * Tries argv[*i] (and its value) as one of these options; *i moves to the next
 * argument and *ret says whether it was one. VDS_ERROR_USAGE if its value is
 * missing or wrong.
 */
struct vds_error *vds_args_take(struct vds_args *args, int argc, char **argv,
				int *i, bool *ret);

/* Takes options up to the command. */
struct vds_error *vds_args_parse(struct vds_args *args, int argc, char **argv);
void vds_args_deinit(struct vds_args *args);

/*
 * Splits "--name=value" or "--name value" or "-nvalue" for commands with own
 * options: the value of argv[*i], or NULL if there is none. Moves *i.
 */
const char *vds_args_value(int argc, char **argv, int *i);

/* True if one of these options is --@name. */
bool vds_args_has(const char *name);

/* The text of these options for --help. */
struct vds_str;
void vds_args_help(struct vds_str *out);

#endif
