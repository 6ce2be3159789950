/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers questions about pages for compare.py. Each line of stdin is
 *   EPROCESS VA 0		the page at VA: one line of "key=value"
 *   EPROCESS VA LEN	LEN bytes as the process reads them, in hex
 * with EPROCESS and VA in hex; EPROCESS 0 is the kernel.
 *
 * page_probe IMAGE ISF-TABLE SCRATCH: the profile is made from the table and
 * written to SCRATCH.
 */
#include <inttypes.h>
#include <stdio.h>

#include "nt/kernel.h"
#include "nt/page.h"
#include "nt/task.h"
#include "profile/isf.h"

static struct vds_process *find_process(struct vds_kernel *kernel,
					uint64_t eprocess)
{
	for (size_t i = 0; i < kernel->num_processes; i++) {
		if (kernel->processes[i].eprocess == eprocess)
			return &kernel->processes[i];
	}
	return NULL;
}

static void print_bytes(const struct vds_process *process, uint64_t va,
			size_t len)
{
	uint8_t buf[4096];
	if (len > sizeof(buf))
		len = sizeof(buf);
	enum vds_why why = vds_process_read(process, va, buf, len);
	if (why) {
		printf("why=%s\n", vds_why_str(why));
		return;
	}
	printf("hex=");
	for (size_t i = 0; i < len; i++)
		printf("%02x", buf[i]);
	printf("\n");
}

static void print_page(const struct vds_process *process, uint64_t va)
{
	struct vds_space space;
	struct vds_walk walk;
	struct vds_vad vad;
	struct vds_page page;
	vds_process_space(process, &space);
	vds_space_walk(&space, NULL, va, &walk);
	uint64_t entry = walk.num_steps ?
		walk.steps[walk.num_steps - 1].entry_pa : 0;
	enum vds_why why = vds_vad_find(process, va, &vad);
	vds_page_at(process, why ? NULL : &vad, va, &page);
	printf("state=%s via=%d pa=%" PRIx64 " size=%" PRIx64 " pte=%" PRIx64
	       " pte_pa=%" PRIx64 " proto=%" PRIx64
	       " private=%d private_why=%d\n",
	       vds_page_state_str(page.state), page.via, page.pa,
	       page.page_size, page.pte, entry, page.proto,
	       page.is_private_copy, page.private_why);
}

static void answer(struct vds_kernel *kernel)
{
	struct vds_task task;
	uint64_t eprocess, va;
	unsigned int len;
	if (vds_task_init(&task, kernel))
		return;
	while (scanf("%" SCNx64 " %" SCNx64 " %u", &eprocess, &va, &len) ==
	       3) {
		struct vds_process own = {.eprocess = 1, .task = &task,
					  .dtb = kernel->space.dtb};
		struct vds_process *process =
			eprocess ? find_process(kernel, eprocess) : &own;
		if (!process) {
			printf("state=no-process\n");
			continue;
		}
		process->task = &task;
		if (len)
			print_bytes(process, va, len);
		else
			print_page(process, va);
	}
	vds_task_deinit(&task);
}

static struct vds_error *make_profile(const char *isf, const char *out)
{
	struct vds_model *model;
	struct vds_profile *profile = NULL;
	struct vds_str text = {0};
	struct vds_error *err = vds_model_create(&model);
	if (err)
		return err;
	err = vds_isf_load(isf, model);
	if (!err)
		err = vds_model_finish(model, isf, NULL, 0, &profile);
	if (err)
		vds_model_destroy(model);
	else
		err = vds_profile_emit(profile, &text);
	FILE *f = err ? NULL : fopen(out, "w");
	if (!err && (!f || fwrite(text.data, 1, text.len, f) != text.len))
		err = vds_error_create(VDS_ERROR_OUTPUT, "%s", out);
	if (f)
		fclose(f);
	vds_str_deinit(&text);
	vds_profile_destroy(profile);
	return err;
}

int main(int argc, char **argv)
{
	struct vds_image *image = NULL;
	struct vds_kernel *kernel = NULL;
	struct vds_kernel_options options = {.threads = 1};
	if (argc != 4)
		return 64;
	options.profile_path = argv[3];
	struct vds_error *err = make_profile(argv[2], argv[3]);
	if (!err)
		err = vds_image_open(argv[1], NULL, &image);
	if (!err)
		err = vds_kernel_open(image, &options, &kernel);
	if (!err)
		answer(kernel);
	else
		fprintf(stderr, "%s\n", err->message);
	int status = err ? 1 : 0;
	vds_error_destroy(err);
	vds_kernel_close(kernel);
	vds_image_close(image);
	return status;
}
