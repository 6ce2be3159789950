/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A triage dump has neither page tables nor, most often, the kernel's CodeView
 * record. Its list of drivers says where the kernel is, and the addresses of
 * globals that its header and its debugger data block state say which kernel.
 */
#include "nt/kernel_virtual.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "nt/anchors.h"
#include "nt/copies.h"
#include "nt/discover.h"
#include "nt/infer.h"
#include "nt/kernel_profile.h"
#include "nt/kuser.h"
#include "nt/pe_rsds.h"
#include "profile/load.h"
#include "profile/store.h"

#define MACHINE_AMD64 0x8664

bool vds_image_is_virtual(const struct vds_image *image)
{
	size_t blocks, ranges;
	vds_image_virtual_blocks(image, &blocks);
	vds_image_ranges(image, &ranges);
	return blocks && !ranges;
}

/* Kernel addresses of 57 bits: the machine has five levels of tables. */
static unsigned int levels_of(const struct vds_image *image)
{
	struct vds_space space = {.levels = 4}, wide = {.levels = 5};
	size_t n;
	const struct vds_virtual_block *blocks =
		vds_image_virtual_blocks(image, &n);
	for (size_t i = 0; i < n; i++) {
		if (!vds_space_is_canonical(&space, blocks[i].va) &&
		    vds_space_is_canonical(&wide, blocks[i].va))
			return 5;
	}
	return 4;
}

static void open_space(struct vds_kernel *kernel)
{
	size_t n;
	const struct vds_virtual_block *blocks =
		vds_image_virtual_blocks(kernel->image, &n);
	kernel->space = (struct vds_space){
		.image = kernel->image, .levels = levels_of(kernel->image),
		.ctx = kernel, .blocks = blocks, .num_blocks = n,
	};
	kernel->dtb_method = VDS_DTB_NONE;
}

/* Pages of blocks that are looked at; many may show the same bytes. */
#define MAX_PAGES (1u << 18)

/* A block that begins as the kernel's image does. */
static bool find_header(struct vds_kernel *kernel)
{
	struct vds_pe_identity pe;
	unsigned int pages = 0;
	for (size_t i = 0; i < kernel->space.num_blocks; i++) {
		const struct vds_virtual_block *b = &kernel->space.blocks[i];
		uint64_t va = (b->va + VDS_PAGE_MASK) & ~VDS_PAGE_MASK;
		uint8_t magic[2];
		for (; va - b->va < b->len && pages++ < MAX_PAGES;
		     va += VDS_PAGE_SIZE) {
			if (!(va >> 63) ||
			    vds_space_read(&kernel->space, NULL, va, magic,
					   sizeof(magic)) ||
			    magic[0] != 'M' || magic[1] != 'Z' ||
			    !vds_kernel_check_base(&kernel->space, NULL, va,
						   &pe))
				continue;
			kernel->base = va;
			kernel->base_how = "image header";
			return true;
		}
	}
	return false;
}

static struct vds_error *no_base(void)
{
	return vds_error_create(VDS_ERROR_NO_KERNEL,
				"no Windows kernel found: neither driver list nor debugger data block nor a kernel's header nor the addresses of globals say where it is (--kernel-base)");
}

/* 0 and no error: the profile has to tell. */
static struct vds_error *find_base(struct vds_kernel *kernel,
				   const struct vds_kernel_options *options)
{
	const struct vds_image_hints *hints = vds_image_hints(kernel->image);
	struct vds_anchors anchors;
	if (options->has_base) {
		kernel->base = options->base & ~VDS_PAGE_MASK;
		kernel->base_how = "option";
		return NULL;
	}
	vds_anchors_collect(kernel, &anchors);
	if (hints->has_kernel_base) {
		kernel->base = hints->kernel_base;
		kernel->base_how = "driver list";
		if (anchors.kernel_base && anchors.kernel_base != kernel->base)
			vds_note(&kernel->notes, "header_contradiction",
				 anchors.kernel_base,
				 "the kernel is at 0x%llx by the dump's driver list, but at 0x%llx by its debugger data block",
				 (unsigned long long)kernel->base,
				 (unsigned long long)anchors.kernel_base);
	} else if (anchors.kernel_base) {
		kernel->base = anchors.kernel_base;
		kernel->base_how = "debugger data block";
	} else if (!find_header(kernel) && anchors.count < 3) {
		return no_base();
	}
	return NULL;
}

static enum vds_why read_space(void *ctx, uint64_t va, void *buf, size_t len)
{
	const struct vds_space *space = ctx;
	return vds_space_read(space, NULL, va, buf, len);
}

/* What there is of [va, va + len), with zeros for the rest. */
static enum vds_why read_sparse(void *ctx, uint64_t va, void *buf, size_t len)
{
	const struct vds_space *space = ctx;
	enum vds_why why = VDS_NOT_IN_IMAGE;
	memset(buf, 0, len);
	for (size_t i = 0; i < space->num_blocks; i++) {
		const struct vds_virtual_block *b = &space->blocks[i];
		uint64_t from = VDS_MAX(va, b->va);
		uint64_t to = VDS_MIN(va + len, b->va + b->len);
		if (from < to &&
		    !vds_space_read(space, NULL, from,
				    (uint8_t *)buf + (from - va),
				    (size_t)(to - from)))
			why = VDS_PRESENT;
	}
	return why;
}

/* True if any block lies in the kernel's image. */
static bool has_image_blocks(const struct vds_kernel *kernel)
{
	for (size_t i = 0; i < kernel->space.num_blocks; i++) {
		const struct vds_virtual_block *b = &kernel->space.blocks[i];
		if (b->va - kernel->base < kernel->size)
			return true;
	}
	return false;
}

/* The search costs pages times blocks. */
#define MAX_SEARCHED_BLOCKS ((size_t)1 << 14)

static struct vds_error *identify(struct vds_kernel *kernel)
{
	struct vds_space *space = &kernel->space;
	struct vds_pe_identity pe = {0};
	if (!kernel->base)
		return NULL;
	kernel->size = vds_image_hints(kernel->image)->kernel_size;
	enum vds_why why = vds_pe_identify(read_space, space, kernel->base,
					   &pe);
	if (why == VDS_BAD_DATA)
		vds_note(&kernel->notes, "kernel_header", kernel->base,
			 "what the dump has of the kernel at 0x%llx doesn't begin as an executable",
			 (unsigned long long)kernel->base);
	if (!why && pe.machine != MACHINE_AMD64)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
					"the kernel at 0x%llx is for machine 0x%04x; only x64 (0x8664) is supported",
					(unsigned long long)kernel->base,
					pe.machine);
	if (!why && kernel->size && kernel->size != pe.size)
		vds_note(&kernel->notes, "header_contradiction", kernel->base,
			 "the kernel's size is 0x%llx by the dump's driver list, but 0x%x by its own header",
			 (unsigned long long)kernel->size, pe.size);
	if (!why)
		kernel->size = pe.size;
	if (!pe.has_pdb && kernel->size && has_image_blocks(kernel) &&
	    space->num_blocks <= MAX_SEARCHED_BLOCKS)
		pe.has_pdb = vds_pe_search_rsds(
			read_sparse, space, kernel->base,
			(uint32_t)VDS_MIN(kernel->size, VDS_PE_SIZE_MAX),
			&pe.pdb);
	if (pe.has_pdb) {
		kernel->pdb = pe.pdb;
		kernel->pdb_how = "codeview";
	}
	return NULL;
}

/* The layouts are another kernel's, and so would be its symbols. */
static void forget_symbols(struct vds_kernel *kernel)
{
	kernel->profile_exact = false;
	memset(kernel->binding.has_symbol, 0,
	       sizeof(kernel->binding.has_symbol));
}

/* The globals say that this is the kernel's own profile. */
static struct vds_error *identify_by_profile(struct vds_kernel *kernel,
					     const struct vds_anchors *anchors,
					     unsigned int agree)
{
	uint64_t base = vds_anchors_base(anchors, kernel->profile);
	const struct vds_profile_identity *id =
		vds_profile_identity(kernel->profile);
	char *how = vds_arena_printf(
		&kernel->arena,
		"of the profiles of build %u only that of PDB %s %s-%u has its globals where the dump says they are",
		id->build, id->pdb, id->guid, id->age);
	char *check = vds_arena_printf(&kernel->arena,
				       "%u addresses agree, none differs",
				       agree);
	if (!how || !check)
		return &vds_enomem;
	snprintf(kernel->pdb.name, sizeof(kernel->pdb.name), "%s", id->pdb);
	snprintf(kernel->pdb.guid, sizeof(kernel->pdb.guid), "%s", id->guid);
	kernel->pdb.age = id->age;
	kernel->pdb_how = "addresses";
	if (!kernel->base) {
		kernel->base = base;
		kernel->base_how = "addresses";
	}
	kernel->profile_exact = true;
	return vds_kernel_infer(kernel, "PDB of the kernel", kernel->base, how,
				check);
}

/* Nothing says which PDB; symbol servers know the kernel itself, by this key. */
static struct vds_error *no_profile(const struct vds_kernel *kernel,
				    const struct vds_profile_identity *want)
{
	size_t n;
	const struct vds_image_meta *meta = vds_image_metadata(kernel->image,
							       &n);
	const char *key = NULL;
	if (kernel->pdb.guid[0])
		return vds_store_no_profile(want);
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(meta[i].key, "kernel_symbol_key"))
			key = meta[i].value;
	}
	return vds_error_create(VDS_ERROR_NO_PROFILE,
				"no profile for this kernel (build %u): the dump doesn't name its PDB, and no profile has its globals where the dump says they are; symbol servers have the kernel as ntoskrnl.exe/%s/ntoskrnl.exe, whose PDB makes one (`vadose profile from-pdb`), then say `--profile=FILE.yaml`",
				want->build, key ? key : "?");
}

static struct vds_error *load_file(struct vds_kernel *kernel,
				   const struct vds_kernel_options *options,
				   const struct vds_anchors *anchors,
				   struct vds_tlb *tlb)
{
	struct vds_profile_identity want;
	struct vds_profile *profile;
	unsigned int agree, differ;
	vds_kernel_put_identity(kernel, &want);
	struct vds_error *err = vds_profile_load_kernel(options->profile_path,
							&want, &profile);
	if (!err)
		err = vds_kernel_bind_profile(kernel, profile, tlb);
	if (err || kernel->profile_exact)
		return err;
	uint64_t base = kernel->base ? kernel->base :
				       vds_anchors_base(anchors, profile);
	vds_anchors_match(anchors, profile, base, &agree, &differ);
	if (!kernel->pdb.guid[0] && agree >= (kernel->base ? 2 : 3) && !differ)
		return identify_by_profile(kernel, anchors, agree);
	if (!kernel->base)
		return no_base();
	if (options->exact_only)
		return vds_error_prefix(no_profile(kernel, &want),
					"%s is of another kernel",
					options->profile_path);
	/* The user's word counts. */
	forget_symbols(kernel);
	return NULL;
}

/* Layouts of one build; a pack has about five. */
#define MAX_LAYOUTS ((size_t)64)

/* The layout of the build that fits best; the nearest if nothing tells. */
static struct vds_error *load_nearest(struct vds_kernel *kernel,
				      struct vds_store *store,
				      const struct vds_profile_identity *want,
				      const struct vds_anchors *anchors,
				      struct vds_tlb *tlb)
{
	_cleanup_free_ struct vds_store_entry *entries = NULL;
	struct vds_profile *profile;
	size_t count, best = 0;
	int best_fit = INT32_MIN;
	struct vds_error *err = vds_store_nearest(store, want, &entries,
						  &count);
	if (err && vds_error_catch(err, VDS_ERROR_NO_PROFILE))
		return no_profile(kernel, want);
	for (size_t i = 0; !err && i < VDS_MIN(count, MAX_LAYOUTS); i++) {
		err = vds_store_load(&entries[i], &profile);
		if (!err)
			err = vds_kernel_bind_profile(kernel, profile, tlb);
		int fit = err ? 0 : vds_anchors_fit(anchors, kernel);
		/* A profile that lacks what we need is just not the one. */
		if (err && vds_error_catch(err, VDS_ERROR_NO_PROFILE)) {
			err = NULL;
			continue;
		}
		if (!err && fit > best_fit) {
			best_fit = fit;
			best = i;
		}
	}
	if (!err && best_fit == INT32_MIN)
		err = no_profile(kernel, want);
	if (!err)
		err = vds_store_load(&entries[best], &profile);
	if (!err)
		err = vds_kernel_bind_profile(kernel, profile, tlb);
	if (!err)
		forget_symbols(kernel);
	if (!err && best_fit < 1)
		vds_note(&kernel->notes, "profile_unchecked", kernel->base,
			 "nothing in the dump tells whether the layouts of %s are this kernel's",
			 vds_profile_path(kernel->profile));
	return err;
}

/* Of another build than the header says, so many have to agree. */
#define ENOUGH_OF_ANY 4u

/* The profile of @want's build, or of any, that the anchors lead to; or NULL. */
static struct vds_error *find_by_anchors(struct vds_kernel *kernel,
					 struct vds_store *store,
					 const struct vds_profile_identity *want,
					 const struct vds_anchors *anchors,
					 bool any, struct vds_profile **ret,
					 unsigned int *ret_agree)
{
	_cleanup_free_ struct vds_store_entry *entries = NULL;
	size_t count;
	*ret = NULL;
	if (anchors->count < (any ? ENOUGH_OF_ANY : 2))
		return NULL;
	struct vds_error *err = any ?
		vds_store_list(store, &entries, &count) :
		vds_store_of_build(store, want, &entries, &count);
	if (err && vds_error_catch(err, VDS_ERROR_NO_PROFILE))
		return NULL;
	if (!err)
		err = vds_anchors_find(anchors, kernel->base, entries, count,
				       ret, ret_agree);
	if (!err && *ret && any && *ret_agree < ENOUGH_OF_ANY) {
		vds_profile_destroy(*ret);
		*ret = NULL;
	}
	return err;
}

/* Without a CodeView record: the profile whose globals lie as the dump says. */
static struct vds_error *load_by_anchors(struct vds_kernel *kernel,
					 struct vds_store *store,
					 const struct vds_profile_identity *want,
					 const struct vds_anchors *anchors,
					 struct vds_tlb *tlb, bool *ret_found)
{
	struct vds_profile *profile = NULL;
	unsigned int agree;
	struct vds_error *err = NULL;
	*ret_found = false;
	if (want->build)
		err = find_by_anchors(kernel, store, want, anchors, false,
				      &profile, &agree);
	if (!err && !profile)
		err = find_by_anchors(kernel, store, want, anchors, true,
				      &profile, &agree);
	if (err || !profile)
		return err;
	*ret_found = true;
	uint32_t build = vds_profile_identity(profile)->build;
	if (want->build && vds_build_family(want->build) !=
				   vds_build_family(build)) {
		vds_note(&kernel->notes, "hint_build", 0,
			 "the container says build %u, but the kernel's globals lie as in build %u, which is used",
			 want->build, build);
		kernel->build = build;
	}
	err = vds_kernel_bind_profile(kernel, profile, tlb);
	return err ? err : identify_by_profile(kernel, anchors, agree);
}

static struct vds_error *load_from_store(struct vds_kernel *kernel,
					 const struct vds_kernel_options *options,
					 const struct vds_anchors *anchors,
					 struct vds_tlb *tlb)
{
	struct vds_profile_identity want;
	struct vds_profile *profile;
	struct vds_store *store;
	bool found = false;
	struct vds_error *err = vds_store_open(options->profile_dirs,
					       options->num_profile_dirs,
					       &store);
	if (err)
		return err;
	vds_kernel_put_identity(kernel, &want);
	if (kernel->pdb.guid[0]) {
		err = vds_store_find(store, &want, &profile);
		found = !err;
		if (!err)
			err = vds_kernel_bind_profile(kernel, profile, tlb);
		else if (!options->exact_only &&
			 vds_error_catch(err, VDS_ERROR_NO_PROFILE))
			err = NULL;
	} else {
		err = load_by_anchors(kernel, store, &want, anchors, tlb,
				      &found);
	}
	if (!err && !found && !kernel->base)
		err = no_base();
	if (!err && !found)
		err = options->exact_only ? no_profile(kernel, &want) :
			load_nearest(kernel, store, &want, anchors, tlb);
	vds_store_close(store);
	return err;
}

struct vds_error *
vds_kernel_open_virtual(struct vds_kernel *kernel,
			const struct vds_kernel_options *options,
			struct vds_tlb *tlb)
{
	struct vds_anchors anchors;
	open_space(kernel);
	struct vds_error *err = find_base(kernel, options);
	if (!err)
		err = identify(kernel);
	if (err)
		return err;
	vds_kuser_read(&kernel->space, NULL, &kernel->kuser);
	kernel->build = kernel->kuser.build;
	if (!kernel->build)
		kernel->build = vds_image_hints(kernel->image)->build;
	vds_anchors_collect(kernel, &anchors);
	err = options->profile_path ?
		      load_file(kernel, options, &anchors, tlb) :
		      load_from_store(kernel, options, &anchors, tlb);
	if (err)
		return err;
	if (!kernel->size) {
		err = identify(kernel);	/* the base may be news */
		if (err)
			return err;
	}
	vds_anchors_bind(&anchors, kernel);
	vds_kernel_symbol(kernel, VDS_S_PS_ACTIVE_PROCESS_HEAD,
			  &kernel->process_head);
	return vds_copies_place(kernel);
}
