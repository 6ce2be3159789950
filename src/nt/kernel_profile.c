/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/kernel_profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"
#include "nt/infer.h"
#include "nt/resolve.h"
#include "profile/load.h"
#include "profile/store.h"

void vds_kernel_forget_profile(struct vds_kernel *kernel)
{
	vds_profile_destroy((struct vds_profile *)kernel->profile);
	kernel->profile = NULL;
	kernel->profile_exact = false;
	kernel->inferences = NULL;
	kernel->num_inferences = 0;
	kernel->system_process = kernel->process_head = 0;
	kernel->has_header_cookie = false;
	kernel->space.resolve = NULL;
	memset(&kernel->binding, 0, sizeof(kernel->binding));
	memset(&kernel->pte, 0, sizeof(kernel->pte));
}

#define FIRST_WINDOWS_10 10240u

static void set_build_lab(struct vds_kernel *kernel, const char *lab)
{
	unsigned int build, revision;
	if (sscanf(lab, "%5u.%6u.", &build, &revision) != 2)
		return;
	kernel->build_lab = vds_arena_strdup(&kernel->arena, lab);
	/* Only the container may have said it: the kernel's word counts more. */
	if (kernel->build && !kernel->kuser.build &&
	    vds_build_family(kernel->build) != vds_build_family(build)) {
		vds_note(&kernel->notes, "hint_build", 0,
			 "the container says build %u, but NtBuildLab %u; the latter is used",
			 kernel->build, build);
		kernel->build = build;
	}
	if (!kernel->build)
		kernel->build = build;
	/* From Windows 10 on the lab names the branch's first revision. */
	if (!kernel->revision && kernel->build == build &&
	    build < FIRST_WINDOWS_10)
		kernel->revision = revision;
}

/* Printable characters at @p, as many as fit in @lab. */
static void copy_lab(const uint8_t *p, size_t len, char *lab, size_t size)
{
	size_t n = 0;
	while (n + 1 < size && n < len && p[n] > 0x20 && p[n] < 0x7f) {
		lab[n] = (char)p[n];
		n++;
	}
	lab[n] = 0;
}

static bool is_lab_char(uint8_t c)
{
	return c == '.' || (c >= '0' && c <= '9');
}

/* "9600.21620.amd64fre.winblue_ltsb.…": the digits lie before the word. */
static bool search_lab(const uint8_t *page, size_t len, char *lab, size_t size)
{
	static const char word[] = ".amd64fre.";
	const uint8_t *at = memmem(page, len, word, sizeof(word) - 1);
	if (!at)
		return false;
	while (at > page && is_lab_char(at[-1]))
		at--;
	copy_lab(at, len - (size_t)(at - page), lab, size);
	return true;
}

void vds_kernel_find_build_lab(struct vds_kernel *kernel, struct vds_tlb *tlb)
{
	uint8_t page[VDS_PAGE_SIZE];
	char lab[128];
	uint64_t va;
	if (kernel->build_lab)
		return;
	if (vds_kernel_symbol(kernel, VDS_S_NT_BUILD_LAB, &va)) {
		if (!vds_space_read(&kernel->space, tlb, va, page,
				    sizeof(lab))) {
			copy_lab(page, sizeof(lab), lab, sizeof(lab));
			set_build_lab(kernel, lab);
		}
		return;
	}
	for (uint64_t rva = 0; rva < kernel->size && !kernel->build_lab;
	     rva += VDS_PAGE_SIZE) {
		if (!vds_space_read(&kernel->space, tlb, kernel->base + rva,
				    page, sizeof(page)) &&
		    search_lab(page, sizeof(page), lab, sizeof(lab)))
			set_build_lab(kernel, lab);
	}
}

/*
 * KUSER_SHARED_DATA has no build number before Windows 10. Where NtBuildLab
 * isn't in the image either, the version tells the last build of each, whose
 * layouts then have to fit.
 */
static uint32_t likely_build(const struct vds_kernel *kernel)
{
	if (kernel->build || kernel->kuser.major != 6)
		return kernel->build;
	switch (kernel->kuser.minor) {
	case 1:
		return 7601;
	case 2:
		return 9200;
	case 3:
		return 9600;
	default:
		return 0;
	}
}

void vds_kernel_put_identity(const struct vds_kernel *kernel,
			     struct vds_profile_identity *ret)
{
	*ret = (struct vds_profile_identity){
		.age = kernel->pdb.age, .arch = "x64",
		.build = likely_build(kernel), .revision = kernel->revision,
	};
	/* Without a name in the image: the kernel that such a machine runs. */
	const char *name = kernel->pdb.name[0] ? kernel->pdb.name :
			   kernel->space.levels == 5 ? "ntkrla57.pdb" :
						       "ntkrnlmp.pdb";
	snprintf(ret->pdb, sizeof(ret->pdb), "%s", name);
	snprintf(ret->guid, sizeof(ret->guid), "%s", kernel->pdb.guid);
}

static bool is_exact(const struct vds_kernel *kernel,
		     const struct vds_profile *profile)
{
	const struct vds_profile_identity *id = vds_profile_identity(profile);
	return kernel->pdb.guid[0] && id->age == kernel->pdb.age &&
	       vds_streq_nocase(id->guid, kernel->pdb.guid);
}

struct vds_error *vds_kernel_bind_profile(struct vds_kernel *kernel,
					  struct vds_profile *profile,
					  struct vds_tlb *tlb)
{
	vds_kernel_forget_profile(kernel);
	kernel->profile = profile;
	kernel->profile_exact = is_exact(kernel, profile);
	struct vds_error *err = vds_binding_init(&kernel->binding, profile);
	if (err)
		return err;
	if (vds_pte_format_init(&kernel->pte, profile))
		return vds_error_create(VDS_ERROR_NO_PROFILE,
					"profile %s lacks the _MMPTE_* types, without which nothing can be read",
					vds_profile_path(profile));
	/* Until the mask is found, swizzled entries say "unknown". */
	kernel->pte.mask_why = kernel->pte.has_swizzle ? VDS_NO_FIELD :
							 VDS_NOT_APPLICABLE;
	kernel->space.resolve = vds_resolve_kernel;
	vds_tlb_clear(tlb);
	return NULL;
}

/*
 * Binds a profile of another kernel: what its symbols would say is inferred,
 * and *ret_fit says how well the layout fits (0: not at all).
 */
static struct vds_error *try_layout(struct vds_kernel *kernel,
				    struct vds_profile *profile,
				    struct vds_tlb *tlb,
				    const struct vds_pointers *pointers,
				    bool deep, unsigned int *ret_fit)
{
	bool found = false;
	*ret_fit = 0;
	struct vds_error *err = vds_kernel_bind_profile(kernel, profile, tlb);
	if (!err)
		err = vds_kernel_infer_symbols(kernel, tlb, pointers, deep,
					       &found);
	if (!err && found)
		err = vds_layout_fit(kernel, tlb, ret_fit);
	/* A profile that lacks what we need is just not the one. */
	if (vds_error_catch(err, VDS_ERROR_NO_PROFILE))
		return NULL;
	return err;
}

static struct vds_error *load_and_try(struct vds_kernel *kernel,
				      const struct vds_store_entry *entry,
				      struct vds_tlb *tlb,
				      const struct vds_pointers *pointers,
				      bool deep, unsigned int *ret_fit)
{
	struct vds_profile *profile;
	struct vds_error *err = vds_store_load(entry, &profile);
	return err ? err : try_layout(kernel, profile, tlb, pointers, deep,
				      ret_fit);
}

/* Layouts of one build; a pack has about five. */
#define MAX_LAYOUTS ((size_t)64)
/* Of these, how many are worth a search of all of the kernel's memory. */
#define MAX_DEEP ((size_t)8)

/* Tries @entries in order; the best of them, if any fits at all. */
static struct vds_error *find_best(struct vds_kernel *kernel,
				   const struct vds_store_entry *entries,
				   size_t count, struct vds_tlb *tlb,
				   const struct vds_pointers *pointers,
				   bool deep, size_t *ret_best,
				   unsigned int *ret_fit)
{
	for (size_t i = 0; i < count && *ret_fit < VDS_FIT_PERFECT; i++) {
		unsigned int fit;
		struct vds_error *err = load_and_try(kernel, &entries[i], tlb,
						     pointers, deep, &fit);
		if (err)
			return err;
		if (fit > *ret_fit) {
			*ret_fit = fit;
			*ret_best = i;
		}
	}
	return NULL;
}

/* Tries all of @entries and keeps the one that fits best, if any does. */
static struct vds_error *choose_layout(struct vds_kernel *kernel,
				       const struct vds_store_entry *entries,
				       size_t count, struct vds_tlb *tlb,
				       bool *ret_ok)
{
	struct vds_pointers pointers = {0};
	unsigned int fit = 0;
	size_t best = 0;
	bool deep = false;
	struct vds_error *err = vds_pointers_collect(kernel, tlb, &pointers);
	if (!err)
		err = find_best(kernel, entries, VDS_MIN(count, MAX_LAYOUTS),
				tlb, &pointers, false, &best, &fit);
	if (!err && !fit) {
		deep = true;
		err = find_best(kernel, entries, VDS_MIN(count, MAX_DEEP), tlb,
				&pointers, true, &best, &fit);
	}
	*ret_ok = fit >= VDS_FIT_ENOUGH;
	/* The last one tried isn't always the best one. */
	if (!err && *ret_ok)
		err = load_and_try(kernel, &entries[best], tlb, &pointers, deep,
				   &fit);
	vds_pointers_deinit(&pointers);
	return err;
}

/* The layout of the same build that fits. */
static struct vds_error *load_nearest(struct vds_kernel *kernel,
				      struct vds_store *store,
				      const struct vds_profile_identity *want,
				      struct vds_tlb *tlb)
{
	_cleanup_free_ struct vds_store_entry *entries = NULL;
	size_t count;
	bool ok = false;
	struct vds_error *err = vds_store_nearest(store, want, &entries,
						  &count);
	if (!err)
		err = choose_layout(kernel, entries, count, tlb, &ok);
	if (err || ok)
		return err;
	vds_kernel_forget_profile(kernel);
	return vds_error_prefix(vds_store_no_profile(want),
				"none of %zu layouts of build %u fits this kernel",
				count, want->build);
}

static struct vds_error *load_from_store(struct vds_kernel *kernel,
					 const struct vds_kernel_options *options,
					 struct vds_tlb *tlb)
{
	struct vds_profile_identity want;
	struct vds_profile *profile;
	struct vds_store *store;
	struct vds_error *err = vds_store_open(options->profile_dirs,
					       options->num_profile_dirs,
					       &store);
	if (err)
		return err;
	vds_kernel_put_identity(kernel, &want);
	err = vds_store_find(store, &want, &profile);
	if (!err) {
		err = vds_kernel_bind_profile(kernel, profile, tlb);
	} else if (err->code == VDS_ERROR_NO_PROFILE && !options->exact_only) {
		vds_kernel_find_build_lab(kernel, tlb);
		vds_kernel_put_identity(kernel, &want);
		struct vds_error *nearest = load_nearest(kernel, store, &want,
							 tlb);
		/* Without any layout the first message says all. */
		if (!nearest || nearest->code != VDS_ERROR_NO_PROFILE) {
			vds_error_destroy(err);
			err = nearest;
		} else {
			vds_error_destroy(nearest);
		}
	}
	vds_store_close(store);
	return err;
}

static struct vds_error *load_file(struct vds_kernel *kernel,
				   const struct vds_kernel_options *options,
				   struct vds_tlb *tlb)
{
	struct vds_profile_identity want;
	struct vds_profile *profile;
	struct vds_pointers pointers = {0};
	unsigned int fit;
	vds_kernel_put_identity(kernel, &want);
	struct vds_error *err = vds_profile_load_kernel(options->profile_path,
							&want, &profile);
	if (err)
		return err;
	if (is_exact(kernel, profile))
		return vds_kernel_bind_profile(kernel, profile, tlb);
	if (options->exact_only) {
		vds_profile_destroy(profile);
		return vds_error_prefix(vds_store_no_profile(&want),
					"%s is of another kernel",
					options->profile_path);
	}
	/* The user's word counts, however badly it fits; but System must be. */
	err = vds_pointers_collect(kernel, tlb, &pointers);
	if (err)
		vds_profile_destroy(profile);
	else
		err = try_layout(kernel, profile, tlb, &pointers, true, &fit);
	vds_pointers_deinit(&pointers);
	if (!err && !kernel->system_process)
		err = vds_error_prefix(vds_store_no_profile(&want),
				       "%s is of another kernel, and no System process is found with it",
				       options->profile_path);
	return err;
}

struct vds_error *vds_kernel_load_profile(struct vds_kernel *kernel,
					  const struct vds_kernel_options *options,
					  struct vds_tlb *tlb)
{
	return options->profile_path ? load_file(kernel, options, tlb) :
				       load_from_store(kernel, options, tlb);
}
