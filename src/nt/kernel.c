/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/str.h"
#include "base/util.h"
#include "base/work.h"
#include "nt/discover.h"
#include "nt/hints.h"
#include "nt/infer.h"
#include "nt/kernel_profile.h"
#include "nt/kernel_virtual.h"
#include "nt/paging_file.h"
#include "nt/process.h"
#include "nt/pte_mask.h"
#include "nt/resolve.h"
#include "nt/system.h"
#include "nt/task.h"
#include "profile/store.h"
#include "profile/user32.h"

bool vds_kernel_symbol(const struct vds_kernel *kernel, enum vds_symbol_id id,
		       uint64_t *ret)
{
	if (!kernel->binding.has_symbol[id])
		return false;
	*ret = kernel->base + kernel->binding.rvas[id];
	return true;
}

void vds_kernel_close(struct vds_kernel *kernel)
{
	if (!kernel)
		return;
	vds_profile_destroy((struct vds_profile *)kernel->profile);
	vds_profile_destroy((struct vds_profile *)kernel->user32);
	vds_notes_deinit(&kernel->notes);
	vds_arena_deinit(&kernel->arena);
	free(kernel->blocks);
	free(kernel);
}

/* While it is being opened. */
struct opening {
	struct vds_kernel *kernel;
	const struct vds_kernel_options *options;
	struct vds_tlb *tlb;
	struct vds_discovery discovery;
};

/* Makes @find the kernel's; what belonged to another one is forgotten. */
static void adopt(struct opening *o, const struct vds_find *find)
{
	struct vds_kernel *kernel = o->kernel;
	const struct vds_dtb_candidate *c =
		&o->discovery.candidates[find->candidate];
	vds_kernel_forget_profile(kernel);
	vds_tlb_clear(o->tlb);
	kernel->space = find->space;
	kernel->space.id = VDS_SPACE_ID_KERNEL;
	kernel->space.ctx = kernel;
	kernel->space.resolve = NULL;
	kernel->dtb_method = c->method;
	kernel->base = find->base;
	kernel->base_how = o->options->has_base ? "option" : "page tables";
	kernel->size = find->pe.size;
	kernel->pdb = find->pe.pdb;
	kernel->pdb_how = find->pe.has_pdb ? "codeview" : NULL;
	kernel->kuser = find->kuser;
	kernel->build = find->kuser.build;
	/* Windows 7 and 8 don't say it there. */
	if (!kernel->build)
		kernel->build = vds_image_hints(kernel->image)->build;
	kernel->revision = 0;
	kernel->build_lab = NULL;
}

static struct vds_error *refuse_future(const struct vds_kernel *kernel)
{
	/* From there on prototype PTEs hold region indexes. */
	if (kernel->build < (unsigned int)VDS_FIRST_UNSUPPORTED_BUILD)
		return NULL;
	return vds_error_create(VDS_ERROR_UNSUPPORTED,
				"Windows build %u: builds of %u and later keep prototype PTEs in a form that is not supported",
				kernel->build, (unsigned int)VDS_FIRST_UNSUPPORTED_BUILD);
}

/* What the profile, then NtBuildLab, say about the build. */
static void complete_identity(struct opening *o)
{
	struct vds_kernel *kernel = o->kernel;
	const struct vds_profile_identity *id =
		vds_profile_identity(kernel->profile);
	if (!kernel->build)
		kernel->build = id->build;
	/* Windows 10 says .1 in NtBuildLab; the profile knows better. */
	if (kernel->profile_exact && id->revision)
		kernel->revision = id->revision;
	vds_kernel_find_build_lab(kernel, o->tlb);
}

/* Steps 3 and 4 of verification; true if this is a live kernel. */
static bool verify_system(struct opening *o, const struct vds_find *find)
{
	struct vds_kernel *kernel = o->kernel;
	struct vds_dtb_candidate *c =
		&o->discovery.candidates[find->candidate];
	struct vds_system_check check = {.why = VDS_NO_FIELD};
	uint64_t va, eprocess = kernel->system_process;
	if (!eprocess &&
	    vds_kernel_symbol(kernel, VDS_S_PS_INITIAL_SYSTEM_PROCESS, &va) &&
	    vds_space_read_u64(&kernel->space, o->tlb, va, &eprocess))
		eprocess = 0;
	if (!kernel->process_head)
		vds_kernel_symbol(kernel, VDS_S_PS_ACTIVE_PROCESS_HEAD,
				  &kernel->process_head);
	if (eprocess)
		vds_system_check(kernel, o->tlb, eprocess, &check);
	if (check.why || !check.is_system || !check.same_kernel) {
		c->verdict = "kernel found, but not its System process";
		return false;
	}
	c->score = (find->kuser.why == VDS_PRESENT ? 1u : 0u) +
		   find->pe.has_pdb + 1u + check.links_close;
	c->base = find->base;
	c->verdict = check.links_close ? "verified" :
		"verified, but the process list doesn't close at System";
	kernel->system_process = eprocess;
	/* Any process's tables show the kernel; System's are the kernel's own. */
	if (o->options->has_dtb || check.dtb == kernel->space.dtb)
		return true;
	kernel->space.dtb = check.dtb;
	vds_tlb_clear(o->tlb);
	return true;
}

static void find_mask(struct opening *o)
{
	const char *how;
	struct vds_kernel *kernel = o->kernel;
	vds_pte_mask_find(kernel, o->tlb, &how);
	if (how)
		vds_kernel_infer(kernel, "InvalidPteMask",
				 kernel->pte.invalid_mask, how,
				 "set in all but smeared entries of at least 16");
	else if (kernel->pte.mask_why && kernel->pte.has_swizzle)
		vds_note(&kernel->notes, "invalid_pte_mask_unknown", 0,
			 "InvalidPteMask could not be read or inferred: not-present entries that may be masked read as unknown");
	vds_tlb_clear(o->tlb);
}

/* Profile, binding and System for one find; *ret_ok if it stands. */
static struct vds_error *try_find(struct opening *o,
				  const struct vds_find *find, bool *ret_ok)
{
	*ret_ok = false;
	adopt(o, find);
	struct vds_error *err = refuse_future(o->kernel);
	if (!err)
		err = vds_kernel_load_profile(o->kernel, o->options, o->tlb);
	if (err)
		return err;
	*ret_ok = verify_system(o, find);
	return NULL;
}

/*
 * The best find that stands, adopted. Without any, the first is adopted all
 * the same, with its profile if it has one: *ret_ok is false then, and the
 * error that kept it from standing is returned.
 */
static struct vds_error *choose(struct opening *o, bool *ret_ok)
{
	struct vds_error *first = NULL;
	for (size_t i = 0; i < o->discovery.num_finds; i++) {
		struct vds_error *err = try_find(o, &o->discovery.finds[i],
						 ret_ok);
		if (*ret_ok || (err && err->code == VDS_ERROR_NOMEM)) {
			vds_error_destroy(first);
			return err;
		}
		if (i == 0)
			first = err;
		else
			vds_error_destroy(err);
	}
	if (o->discovery.num_finds > 1) {
		struct vds_error *err = try_find(o, &o->discovery.finds[0],
						 ret_ok);
		vds_error_destroy(first);
		return err;
	}
	return first;
}

static struct vds_error *no_kernel(const struct opening *o)
{
	struct vds_str s = {0};
	const struct vds_discovery *d = &o->discovery;
	for (size_t i = 0; i < d->num_candidates && i < 4; i++)
		vds_str_printf(&s, "; 0x%llx by %s: %s",
			       (unsigned long long)d->candidates[i].dtb,
			       vds_dtb_method_str(d->candidates[i].method),
			       d->candidates[i].verdict);
	if (d->num_candidates > 4)
		vds_str_printf(&s, "; and %zu more", d->num_candidates - 4);
	struct vds_error *err = vds_error_create(
		VDS_ERROR_NO_KERNEL,
		"no Windows kernel found: %zu page tables looked at, %s%s",
		d->num_candidates,
		o->options->has_dtb ? "as --dtb says" :
		"low memory and the whole image searched",
		s.len ? vds_str_cstr(&s) : "");
	vds_str_deinit(&s);
	return err;
}

/* The report outlives the discovery: copied into the kernel's arena. */
static struct vds_error *keep_candidates(struct opening *o)
{
	struct vds_kernel *kernel = o->kernel;
	size_t n = o->discovery.num_candidates;
	struct vds_dtb_candidate *copy = vds_arena_calloc(
		&kernel->arena, n ? n : 1, sizeof(*copy));
	if (!copy)
		return &vds_enomem;
	if (n)
		memcpy(copy, o->discovery.candidates, n * sizeof(*copy));
	kernel->candidates = copy;
	kernel->num_candidates = n;
	return NULL;
}

static struct vds_error *discover(struct opening *o, bool thorough)
{
	struct vds_discovery again;
	struct vds_error *err = vds_discover(o->kernel->image, o->options,
					     thorough, o->tlb, &again);
	if (err)
		return err;
	vds_discovery_deinit(&o->discovery);
	o->discovery = again;
	return NULL;
}

#define MACHINE_AMD64 0x8664

/* What the container says of the machine: why there is no kernel of x64. */
static struct vds_error *refuse_machine(const struct vds_image *image)
{
	uint16_t machine = vds_image_hints(image)->machine;
	if (!machine || machine == MACHINE_AMD64)
		return NULL;
	return vds_error_create(VDS_ERROR_UNSUPPORTED,
				"%s: of a machine of type 0x%04x%s; only x64 (0x8664) is supported",
				vds_image_path(image), machine,
				machine == 0x14c ? " (32-bit x86)" :
				machine == 0xaa64 ? " (ARM64)" : "");
}

/* Steps 1 and 2. On VDS_ERROR_NO_PROFILE the best find is adopted. */
static struct vds_error *find_kernel(struct opening *o)
{
	bool ok = false;
	struct vds_error *err = discover(o, false);
	struct vds_error *reason = err ? NULL : choose(o, &ok);
	/* A missing profile doesn't make another kernel likelier. */
	if (!err && !ok && (!reason || !o->discovery.num_finds)) {
		vds_error_destroy(reason);
		reason = NULL;
		err = discover(o, true);
		if (!err)
			reason = choose(o, &ok);
	}
	if (!err)
		err = keep_candidates(o);
	if (err) {
		vds_error_destroy(reason);
		return err;
	}
	if (!o->discovery.num_finds)
		return no_kernel(o);
	if (!reason && !ok)
		vds_note(&o->kernel->notes, "system_process_unverified",
			 o->kernel->base,
			 "the System process of the kernel at 0x%llx could not be verified",
			 (unsigned long long)o->kernel->base);
	return reason;
}

static struct vds_error *build_table(struct vds_kernel *kernel)
{
	struct vds_task task;
	struct vds_error *err = vds_task_init(&task, kernel);
	if (!err)
		err = vds_process_table_build(&task, kernel);
	vds_task_deinit(&task);
	return err;
}

/* Errors after which there is still something to tell about the image. */
static bool says_something(const struct vds_error *err)
{
	return err->code == VDS_ERROR_NO_PROFILE ||
	       err->code == VDS_ERROR_NO_KERNEL ||
	       err->code == VDS_ERROR_UNSUPPORTED;
}

static struct vds_error *load_user32(struct vds_kernel *kernel)
{
	struct vds_profile *profile;
	struct vds_error *err = vds_profile_user32(kernel->profile, &profile);
	if (!err)
		kernel->user32 = profile;
	return err;
}

struct vds_error *vds_kernel_open(const struct vds_image *image,
				  const struct vds_kernel_options *options,
				  struct vds_kernel **ret)
{
	struct opening o = {
		.kernel = calloc(1, sizeof(*o.kernel)),
		.options = options,
		.tlb = vds_tlb_create(),
	};
	struct vds_error *err = o.kernel && o.tlb ? NULL : &vds_enomem;
	if (!err) {
		o.kernel->image = image;
		o.kernel->kuser.why = VDS_NOT_APPLICABLE;	/* until found */
	}
	bool is_virtual = vds_image_is_virtual(image);
	if (!err && is_virtual)
		err = refuse_machine(image);
	if (!err)
		err = is_virtual ? vds_kernel_open_virtual(o.kernel, options,
							   o.tlb) :
				   find_kernel(&o);
	/* Containers err; but where nothing was found, they may well be right. */
	if (err && err->code == VDS_ERROR_NO_KERNEL) {
		struct vds_error *other = refuse_machine(image);
		if (other) {
			vds_error_destroy(err);
			err = other;
		}
	}
	if (!err) {
		if (!is_virtual)
			find_mask(&o);
		vds_paging_files_find(o.kernel, o.tlb);
		complete_identity(&o);
		err = refuse_future(o.kernel);
	}
	if (!err)
		err = load_user32(o.kernel);
	if (!err)
		vds_kernel_check_hints(o.kernel);
	if (!err)
		err = build_table(o.kernel);
	vds_discovery_deinit(&o.discovery);
	vds_tlb_destroy(o.tlb);
	if (err && !says_something(err)) {
		vds_kernel_close(o.kernel);
		return err;
	}
	if (err)	/* `info` reports what was found without a profile */
		vds_kernel_forget_profile(o.kernel);
	*ret = o.kernel;
	return err;
}
