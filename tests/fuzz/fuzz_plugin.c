/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One plugin over one machine of images/, some of whose memory is overwritten:
 * whatever a plugin reads may be anything. The input:
 *
 *	kernel (1 byte), plugin (1), then patches of 13 bytes each:
 *	page (2), offset in it (2), kind (1), value (8)
 *
 * Pages are those that aren't zero, in order. A copy takes its eight bytes from
 * another page and offset, so that pointers lead to wrong places, not to none.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/util.h"
#include "image/image.h"
#include "nt/kernel.h"
#include "plugin/registry.h"
#include "plugin/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PATCH 13
#define MAX_PATCHES 16
#define PAGE 4096

enum kind { SET, COPY, SET_BYTE, ADD, NUM_KINDS };

static const char *const files[] = {"7601.raw", "19041.raw", "22000.raw"};

struct machine {
	uint8_t *memory;
	size_t size;
	uint32_t *pages;	/* numbers of those that hold anything */
	size_t num_pages;
	char path[64];
} machines[VDS_ARRAY_SIZE(files)];

/* What plugins need; one that isn't here runs without. */
static const struct {
	const char *plugin, *option, *value;
} needs[] = {
	{"dt", "type", "_EPROCESS"},
	{"dt", "address", "0xffffc50b90000040"},
	{"dt", "depth", "2"},
	{"memread", "va", "0x7ffe0000"},
	{"pfn", "frame", "0x1ad"},
	{"pool", "address", "0xffffc50b90001040"},
	{"ptov", "pa", "0x106610"},
	{"vtop", "va", "0x7ffe0000"},
	{"whoshares", "what", "text:scene page: apiset 0"},
};

static void find_pages(struct machine *m)
{
	static const uint8_t zero[PAGE];
	size_t n = m->size / PAGE;

	m->pages = calloc(n, sizeof(*m->pages));
	for (size_t i = 0; m->pages && i < n; i++) {
		if (memcmp(m->memory + i * PAGE, zero, PAGE) != 0)
			m->pages[m->num_pages++] = (uint32_t)i;
	}
	if (!m->num_pages)
		abort();
}

/* The image in memory, under a name that can be opened. */
static void load(struct machine *m, const char *name)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", FUZZ_MACHINES, name);
	int from = open(path, O_RDONLY | O_CLOEXEC);
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (from < 0 || fd < 0 || fstat(from, &st) || ftruncate(fd, st.st_size)) {
		perror(path);
		abort();
	}
	m->size = (size_t)st.st_size;
	m->memory = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 0);
	if (m->memory == MAP_FAILED)
		abort();
	for (size_t at = 0; at < m->size; at += PAGE) {
		uint8_t page[PAGE];
		static const uint8_t zero[PAGE];

		if (pread(from, page, PAGE, (off_t)at) != PAGE)
			abort();
		if (memcmp(page, zero, PAGE) != 0)
			memcpy(m->memory + at, page, PAGE);
	}
	close(from);
	snprintf(m->path, sizeof(m->path), "/proc/self/fd/%d", fd);
	find_pages(m);
}

static uint8_t *place(struct machine *m, const uint8_t *at)
{
	size_t page = m->pages[vds_le16(at) % m->num_pages];
	size_t offset = vds_le16(at + 2) % (PAGE - 7);

	return m->memory + page * PAGE + offset;
}

/* Overwrites; what was there goes to @old, if there is one. */
static void patch(struct machine *m, const uint8_t *p, uint8_t old[8])
{
	uint8_t *to = place(m, p);

	if (old)
		memcpy(old, to, 8);
	switch (p[4] % NUM_KINDS) {
	case SET:
		memcpy(to, p + 5, 8);
		break;
	case COPY:
		memmove(to, place(m, p + 5), 8);
		break;
	case SET_BYTE:
		*to = p[5];
		break;
	case ADD:
		vds_put_le64(to, vds_le64(to) + vds_le64(p + 5));
		break;
	}
}

static struct vds_error *take_row(struct vds_sink *sink,
				  const struct vds_value *values)
{
	(void)sink;
	(void)values;
	return NULL;
}

static struct vds_error *give_options(struct vds_options *options,
				      const struct vds_plugin *plugin)
{
	struct vds_error *err = vds_options_init(options, plugin);

	for (size_t i = 0; !err && i < VDS_ARRAY_SIZE(needs); i++) {
		if (strcmp(needs[i].plugin, plugin->name) != 0)
			continue;
		err = vds_options_give(options,
				       vds_options_find(options,
							needs[i].option),
				       needs[i].value);
	}
	return err ? err : vds_options_finish(options);
}

static void run_plugin(const struct vds_kernel *kernel,
		       const struct vds_plugin *plugin)
{
	struct vds_options options = {0};
	struct vds_schema schema;
	struct vds_sink sink = {.row = take_row};
	struct vds_error *err = vds_schema_init(&schema, plugin);

	if (err)
		abort();
	err = give_options(&options, plugin);
	if (!err) {
		struct vds_session session = {
			.kernel = kernel, .plugin = plugin,
			.schema = &schema, .options = &options,
			.sink = &sink, .threads = 1,
			.image_id = "00000000000000000000000000000000",
		};

		err = vds_session_run(&session);
		/* A plugin fails on nothing that an image holds. */
		if (err && err->code == VDS_ERROR_PLUGIN) {
			fprintf(stderr, "%s\n", err->message);
			abort();
		}
		vds_notes_deinit(&session.notes);
	}
	vds_error_destroy(err);
	vds_options_deinit(&options);
	vds_schema_deinit(&schema);
}

static void run_machine(const struct machine *m,
			const struct vds_plugin *plugin)
{
	const char *dirs[] = {FUZZ_PROFILES};
	struct vds_kernel_options options = {
		.profile_dirs = dirs, .num_profile_dirs = 1, .threads = 1,
	};
	struct vds_image_options how = {.format = "raw"};
	struct vds_image *image;
	struct vds_kernel *kernel = NULL;
	struct vds_error *err = vds_image_open(m->path, &how, &image);

	if (err)
		abort();
	err = vds_kernel_open(image, &options, &kernel);
	if (!err)
		run_plugin(kernel, plugin);
	vds_error_destroy(err);
	if (kernel)
		vds_kernel_close(kernel);
	vds_image_close(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t old[MAX_PATCHES][8];
	size_t num_plugins = 0, n;

	if (size < 2)
		return 0;
	size_t which = data[0] % VDS_ARRAY_SIZE(files);
	struct machine *m = &machines[which];

	if (!m->memory)
		load(m, files[which]);
	while (vds_builtin_plugins[num_plugins])
		num_plugins++;
	n = VDS_MIN((size - 2) / PATCH, (size_t)MAX_PATCHES);
	for (size_t i = 0; i < n; i++)
		patch(m, data + 2 + i * PATCH, old[i]);
	run_machine(m, vds_builtin_plugins[data[1] % num_plugins]);
	for (size_t i = n; i-- > 0;)
		memcpy(place(m, data + 2 + i * PATCH), old[i], 8);
	return 0;
}
