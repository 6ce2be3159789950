/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel found in an image: address space, base, identity, bound layout.
 * Immutable once opened and shared by all threads.
 */
#ifndef VDS_NT_KERNEL_H
#define VDS_NT_KERNEL_H

#include "base/note.h"
#include "nt/fields.h"
#include "nt/pte.h"
#include "paging/space.h"
#include "vadose/process.h"

/* How a DTB candidate was found, best first. */
enum vds_dtb_method {
	VDS_DTB_OPTION,		/* --dtb */
	VDS_DTB_HINT,		/* container header or note */
	VDS_DTB_LOW_STUB,	/* PROCESSOR_START_BLOCK */
	VDS_DTB_SELF_REF,	/* self-referencing PML4 scan */
	VDS_DTB_NONE,		/* a dump without page tables */
};
/* "option", "hint", "low-stub", "self-ref", "no page tables". */
const char *vds_dtb_method_str(enum vds_dtb_method method);

/* A PDB as an RSDS record names it. */
struct vds_pdb_id {
	char name[64];		/* "ntkrnlmp.pdb"; valid UTF-8 */
	char guid[33];		/* 32 upper-case hex digits */
	uint32_t age;
};

/* A candidate that was looked at, chosen or not; all go into the report. */
struct vds_dtb_candidate {
	uint64_t dtb;
	enum vds_dtb_method method;
	unsigned int levels;
	unsigned int score;	/* verification steps passed, of 4 */
	const char *verdict;	/* one line: "verified", "KVA shadow table", ... */
	uint64_t base;		/* kernel base found with it, 0 = none */
};

/* What KUSER_SHARED_DATA says. */
struct vds_kuser {
	enum vds_why why;	/* PRESENT = read and plausible */
	uint32_t major, minor;
	uint32_t build;		/* NtBuildNumber (14393+), 0 = not there */
	uint32_t product_type;	/* 1 workstation, 2 domain controller, 3 server */
	uint64_t system_time;	/* FILETIME, UTC */
	uint64_t interrupt_time;	/* 100 ns since boot */
	int64_t time_zone_bias;	/* 100 ns */
	uint64_t physical_pages;	/* NumberOfPhysicalPages */
	char system_root[261];	/* UTF-8 */
};

/* Where a value came from when no symbol gave it (docs/profiles.md). */
struct vds_inference {
	const char *what;	/* "PsActiveProcessHead" */
	uint64_t value;
	const char *how;	/* one line */
	const char *check;	/* one line */
};

/* What was current on the processor that crashed; 0 = not known. */
struct vds_crash {
	uint64_t prcb;		/* KPRCB */
	uint64_t thread;	/* ETHREAD */
	uint64_t process;	/* EPROCESS */
	uint64_t tid;
};

struct vds_kernel {
	const struct vds_image *image;
	const struct vds_profile *profile;
	/* Types of 32-bit user mode; NULL until a profile is bound. */
	const struct vds_profile *user32;
	struct vds_binding binding;
	struct vds_space space;	/* kernel address space; resolves NT PTEs */
	struct vds_pte_format pte;
	enum vds_dtb_method dtb_method;
	uint64_t base;		/* kernel image, virtual address */
	const char *base_how;	/* "page tables", "driver list", ... */
	uint64_t size;		/* SizeOfImage, bytes */
	struct vds_pdb_id pdb;
	const char *pdb_how;	/* "codeview", "addresses"; NULL = not known */
	uint32_t build, revision;	/* 19041, 572; 0 = not known */
	const char *build_lab;	/* NtBuildLab, or NULL */
	struct vds_kuser kuser;
	bool profile_exact;	/* false: nearest layout of the build */
	uint64_t system_process;	/* EPROCESS of PID 4 */
	uint64_t process_head;	/* PsActiveProcessHead, virtual address */
	/* ObHeaderCookie where no symbol gives it but inference does. */
	bool has_header_cookie;
	uint8_t header_cookie;
	const struct vds_dtb_candidate *candidates;
	size_t num_candidates;
	const struct vds_inference *inferences;
	size_t num_inferences;
	/* The process table, in order (PID, create time, EPROCESS). */
	struct vds_process *processes;
	size_t num_processes;
	/* The same, sorted by EPROCESS; see vds_kernel_process(). */
	const struct vds_process **by_eprocess;
	struct vds_notes notes;	/* of discovery and of the process lists */
	struct vds_arena arena;
	struct vds_crash crash;
	struct vds_virtual_block *blocks;	/* of `space`, or NULL */
};

/* A dump without page tables: only what lies in its blocks can be read. */
static inline bool vds_kernel_is_virtual(const struct vds_kernel *kernel)
{
	return kernel->space.blocks != NULL;
}

/* The bound field; .present may be false for OPTIONAL ones. */
#define vds_kf(kernel, id) (&(kernel)->binding.fields[VDS_F_##id])
#define vds_ksize(kernel, id) ((kernel)->binding.sizes[VDS_R_##id])

/* Virtual address of a global in *ret; false if the profile lacks it. */
bool vds_kernel_symbol(const struct vds_kernel *kernel, enum vds_symbol_id id,
		       uint64_t *ret);

struct vds_kernel_options {
	bool has_dtb, has_base;
	uint64_t dtb, base;		/* --dtb, --kernel-base */
	const char *profile_path;	/* --profile, or NULL */
	const char *const *profile_dirs;	/* -s, in order */
	size_t num_profile_dirs;
	bool exact_only;		/* --profile-match=exact */
	unsigned int threads;
};

/*
 * Step 1: DTB, base, PDB identity, KUSER; no profile needed. Step 2 loads the
 * profile (or VDS_ERROR_NO_PROFILE) and binds it. Step 3 builds the process
 * table. vds_kernel_open() does all three; so that `info` can still report, *ret
 * is set on VDS_ERROR_NO_PROFILE, VDS_ERROR_NO_KERNEL and VDS_ERROR_UNSUPPORTED
 * too (with profile NULL, and base 0 if there is no kernel); otherwise only on
 * success. VDS_ERROR_NO_KERNEL lists what was tried.
 */
struct vds_error *vds_kernel_open(const struct vds_image *image,
				  const struct vds_kernel_options *options,
				  struct vds_kernel **ret);
void vds_kernel_close(struct vds_kernel *kernel);

#endif
