/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading profiles, beside reading their files and beside libyaml's events
 * alone: the slowest kernel of the packs, and a profile of a whole kernel made
 * up to be as large as the largest (1,800 types, 43,000 symbols).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <yaml.h>

#include "base/file.h"
#include "base/str.h"
#include "base/util.h"
#include "profile/load.h"
#include "profile/store.h"

#define ROUNDS 15

static double now(void)
{
	struct timespec t;
	/* Processor time: other work on the machine hardly disturbs it. */
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void must(struct vds_error *err)
{
	if (err) {
		fprintf(stderr, "%s\n", err->message);
		exit(1);
	}
}

static void events(const char *data, size_t len)
{
	yaml_parser_t parser;
	yaml_event_t event;
	yaml_event_type_t type;
	yaml_parser_initialize(&parser);
	yaml_parser_set_input_string(&parser, (const unsigned char *)data, len);
	do {
		if (!yaml_parser_parse(&parser, &event))
			exit(1);
		type = event.type;
		yaml_event_delete(&event);
	} while (type != YAML_STREAM_END_EVENT);
	yaml_parser_delete(&parser);
}

struct times {
	double read, events, load;
};

static void keep_best(double *best, double ms)
{
	if (*best <= 0 || ms < *best)
		*best = ms;
}

static struct times measure(const char *path,
			    const struct vds_profile_identity *want)
{
	struct times best = {0};
	for (int i = 0; i < ROUNDS; i++) {
		struct vds_profile *p;
		char *data;
		size_t len;
		double t = now();
		must(vds_file_slurp(path, (size_t)64 << 20, &data, &len));
		keep_best(&best.read, now() - t);
		t = now();
		events(data, len);
		keep_best(&best.events, now() - t);
		free(data);
		t = now();
		must(vds_profile_load_kernel(path, want, &p));
		keep_best(&best.load, now() - t);
		vds_profile_destroy(p);
	}
	return best;
}

static void report(const char *what, struct times t)
{
	printf("%-28s read %.2f ms, libyaml %.2f ms, load %.2f ms "
	       "(%.1f x libyaml, %.0f x reading)\n", what, t.read, t.events,
	       t.load, t.load / t.events, t.load / t.read);
}

static void write_whole_kernel(const char *path)
{
	FILE *f = fopen(path, "w");
	if (!f)
		exit(1);
	fputs("format: vadose-profile/1\narch: x64\ntypes:\n", f);
	for (int i = 0; i < 1800; i++) {
		fprintf(f, "  _A_STRUCTURE_%04d:\n    struct: 0x100\n"
			"    members:\n", i);
		for (int k = 0; k < 9; k++)
			fprintf(f, "      SomeMember%d: 0x%x unsigned long\n", k,
				k * 4);
	}
	fputs("symbols:\n", f);
	for (int i = 0; i < 43000; i++)
		fprintf(f, "  MiSomeFunctionOfTheKernel%05d: 0x%x\n", i, i * 64);
	if (fclose(f))
		exit(1);
}

static void bench_packs(const char *dir)
{
	struct vds_store *store;
	struct vds_store_entry *list;
	size_t n;
	const char *build = "";
	struct times worst = {0};
	char text[32];
	const char *dirs[] = {dir};
	must(vds_store_open(dirs, 1, &store));
	must(vds_store_list(store, &list, &n));
	for (size_t i = 0; i < n; i++) {
		/* The last of each file: what stands before it is skipped. */
		if (i + 1 < n && !strcmp(list[i].path, list[i + 1].path))
			continue;
		struct times t = measure(list[i].path, &list[i].identity);
		if (t.load > worst.load) {
			worst = t;
			snprintf(text, sizeof(text), "slowest pack: %u",
				 list[i].identity.build);
			build = text;
		}
	}
	report(build, worst);
	double best = 0;
	for (int i = 0; i < ROUNDS; i++) {
		struct vds_store *one;
		struct vds_profile *p;
		double t = now();
		must(vds_store_open(dirs, 1, &one));
		must(vds_store_find(one, &list[n / 2].identity, &p));
		keep_best(&best, now() - t);
		vds_profile_destroy(p);
		vds_store_close(one);
	}
	printf("%-28s %.2f ms\n", "find by GUID and load", best);
	free(list);
	vds_store_close(store);
}

int main(void)
{
	char dir[4096], path[] = "/tmp/vadose-bench-XXXXXX";
	const char *root = getenv("VDS_SOURCE_ROOT");
	int fd = mkstemp(path);
	snprintf(dir, sizeof(dir), "%s/profiles", root ? root : ".");
	if (fd < 0)
		return 1;
	bench_packs(dir);
	write_whole_kernel(path);
	report("a whole kernel", measure(path, NULL));
	remove(path);
	return 0;
}
