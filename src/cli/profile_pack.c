/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `vadose profile pack LIST TABLES -o DIR`: how profiles/ is made. LIST names
 * the kernels, a line each: GUID-AGE and build ("10.0.19041.572"). TABLES is a
 * folder with GUID-AGE.json or .json.xz for each. DIR gets one pack per PDB
 * name and build, and an index of these and of the profiles that are already
 * in DIR/published.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "base/util.h"
#include "cli/cmd_profile.h"
#include "cli/output.h"
#include "profile/isf.h"
#include "profile/load.h"
#include "profile/pack.h"

#define MAX_KERNELS 4096
#define MAX_LIST ((size_t)1 << 20)
#define PUBLISHED "published"

struct wanted {
	char id[48];		/* GUID-AGE */
	uint32_t build, revision;
};

struct job {
	struct wanted kernels[MAX_KERNELS];
	size_t num_kernels;
	const char *tables, *dir;
	struct vds_str index;
};

static int compare_wanted(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;
	if (x->build != y->build)
		return x->build < y->build ? -1 : 1;
	if (x->revision != y->revision)
		return x->revision < y->revision ? -1 : 1;
	return strcmp(x->id, y->id);
}

static bool parse_wanted(char *line, struct wanted *ret)
{
	char *save, *id = strtok_r(line, " \t", &save);
	char *build = strtok_r(NULL, " \t", &save);
	if (!build || strtok_r(NULL, " \t", &save) ||
	    strlen(id) >= sizeof(ret->id) || strchr(id, '/'))
		return false;
	strcpy(ret->id, id);
	return vds_profile_parse_build(build, &ret->build, &ret->revision);
}

static struct vds_error *read_list(struct job *job, const char *path)
{
	_cleanup_free_ char *text = NULL;
	size_t len, number = 0;
	struct vds_error *err = vds_file_slurp(path, MAX_LIST, &text, &len);
	for (char *line = err ? NULL : text; line; ) {
		char *end = strchr(line, '\n');
		if (end)
			*end = '\0';
		line[strcspn(line, "#\r")] = '\0';
		number++;
		bool empty = strspn(line, " \t") == strlen(line);
		if (!empty && (job->num_kernels == MAX_KERNELS ||
			       !parse_wanted(line,
					&job->kernels[job->num_kernels++])))
			return vds_error_create(VDS_ERROR_FORMAT,
				"%s:%zu: expected GUID-AGE and a build", path,
				number);
		line = end ? end + 1 : NULL;
	}
	qsort(job->kernels, job->num_kernels, sizeof(job->kernels[0]),
	      compare_wanted);
	return err;
}

static struct vds_error *load_table(const struct job *job,
				    const struct wanted *k,
				    struct vds_profile **ret)
{
	char path[4096];
	struct vds_model *model;
	snprintf(path, sizeof(path), "%s/%s.json", job->tables, k->id);
	if (access(path, R_OK))
		snprintf(path, sizeof(path), "%s/%s.json.xz", job->tables, k->id);
	struct vds_error *err = vds_model_create(&model);
	if (err)
		return err;
	err = vds_isf_load(path, model);
	if (!err) {
		vds_model_set_build(model, k->build, k->revision);
		err = vds_model_trim_default(model);
	}
	if (!err)
		err = vds_model_finish(model, path, NULL, 0, ret);
	if (err)
		vds_model_destroy(model);
	return err;
}

static struct vds_error *write_file(const struct job *job, const char *name,
				    const struct vds_str *text)
{
	_cleanup_free_ char *path = NULL;
	struct vds_output output;
	if (asprintf(&path, "%s/%s", job->dir, name) < 0) {
		path = NULL;
		return &vds_enomem;
	}
	struct vds_error *err = vds_output_open(&output, path);
	if (err)
		return err;
	err = output.writer.write(&output.writer, text->data, text->len);
	if (!err)
		err = vds_output_commit(&output);
	vds_output_deinit(&output);
	return err;
}

static struct vds_error *write_pack(struct job *job, struct vds_pack *pack,
				    const struct vds_profile_identity *id)
{
	_cleanup_(vds_str_deinit) struct vds_str text = {0};
	char name[128];
	snprintf(name, sizeof(name), "%.*s-%u.yaml",
		 (int)strcspn(id->pdb, "./"), id->pdb, id->build);
	struct vds_error *err = vds_pack_emit(pack, name, &text, &job->index);
	return err ? err : write_file(job, name, &text);
}

/* The kernels of one build, from @first on. Moves *first past them. */
static struct vds_error *pack_build(struct job *job, struct vds_cli *cli,
				    size_t *first)
{
	struct vds_pack *pack;
	struct vds_profile_identity id = {0};
	uint32_t build = job->kernels[*first].build;
	struct vds_error *err = vds_pack_create(&pack);
	for (; !err && *first < job->num_kernels &&
	     job->kernels[*first].build == build; ++*first) {
		struct vds_profile *p;
		vds_cli_say(cli, "%zu of %zu: %s", *first + 1, job->num_kernels,
			    job->kernels[*first].id);
		err = load_table(job, &job->kernels[*first], &p);
		if (err)
			break;
		id = *vds_profile_identity(p);
		err = vds_pack_add(pack, p);
		vds_profile_destroy(p);
	}
	if (!err)
		err = write_pack(job, pack, &id);
	vds_pack_destroy(pack);
	return err;
}

static struct vds_error *index_published(struct job *job, const char *file)
{
	_cleanup_free_ char *path = NULL, *data = NULL;
	_cleanup_free_ struct vds_profile_identity *ids = NULL;
	size_t len, n;
	if (asprintf(&path, "%s/%s", job->dir, file) < 0) {
		path = NULL;
		return &vds_enomem;
	}
	struct vds_error *err = vds_file_slurp(path, (size_t)64 << 20, &data,
					       &len);
	if (!err)
		err = vds_profile_parse_kernels(path, data, len, &ids, &n);
	for (size_t i = 0; !err && i < n; i++)
		vds_index_line(&job->index, &ids[i], 1, file);
	return err;
}

static int is_yaml(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);
	return len > 5 && !strcmp(entry->d_name + len - 5, ".yaml");
}

static struct vds_error *add_published(struct job *job)
{
	_cleanup_free_ char *dir = NULL;
	struct dirent **list;
	struct vds_error *err = NULL;
	if (asprintf(&dir, "%s/" PUBLISHED, job->dir) < 0) {
		dir = NULL;
		return &vds_enomem;
	}
	int n = scandir(dir, &list, is_yaml, alphasort);
	for (int i = 0; i < n; i++) {
		char name[512];
		snprintf(name, sizeof(name), PUBLISHED "/%s", list[i]->d_name);
		if (!err)
			err = index_published(job, name);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	return err;
}

static struct vds_error *run(struct job *job, struct vds_cli *cli,
			     const char *list)
{
	struct vds_error *err = read_list(job, list);
	vds_str_puts(&job->index,
		     "# pdb guid age arch build revision confidence layout file\n");
	for (size_t i = 0; !err && i < job->num_kernels;)
		err = pack_build(job, cli, &i);
	if (!err)
		err = add_published(job);
	if (!err)
		err = write_file(job, "index", &job->index);
	vds_str_deinit(&job->index);
	return err;
}

int vds_profile_pack(struct vds_cli *cli, int argc, char **argv)
{
	struct vds_profile_words words;
	struct vds_error *err = vds_profile_take_words(cli, argc, argv,
		"pack LIST TABLES -o DIR", false, 2, 2, &words);
	struct job *job = calloc(1, sizeof(*job));
	if (!err && !cli->args.out)
		err = vds_error_create(VDS_ERROR_USAGE, "pack needs -o DIR");
	if (!err && !job)
		err = &vds_enomem;
	if (!err) {
		job->tables = words.items[1];
		job->dir = cli->args.out;
		err = run(job, cli, words.items[0]);
	}
	free(job);
	free(words.items);
	return err ? vds_cli_fail(err) : 0;
}
