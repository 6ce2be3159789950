/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel structures by name: types, members and symbols of the profile, and
 * memory read through them. For analyses that the ready-made objects
 * (process.h, vad.h, section.h) don't cover. No offset is ever written down in
 * a plugin: a member that the profile lacks is VDS_NO_FIELD.
 */
#ifndef VADOSE_RECORD_H
#define VADOSE_RECORD_H

#include <vadose/run.h>
#include <vadose/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vds_type;

/* What a type is, for printing; the numbers are part of the ABI. */
enum vds_type_class {
	VDS_CLASS_VOID = 0,
	VDS_CLASS_UNSIGNED = 1,
	VDS_CLASS_SIGNED = 2,
	VDS_CLASS_BOOL = 3,
	VDS_CLASS_CHAR = 4,
	VDS_CLASS_WCHAR = 5,
	VDS_CLASS_FLOAT = 6,
	VDS_CLASS_POINTER = 7,
	VDS_CLASS_ARRAY = 8,
	VDS_CLASS_STRUCT = 9,
	VDS_CLASS_UNION = 10,
	VDS_CLASS_ENUM = 11,
	VDS_CLASS_FUNCTION = 12,
	VDS_CLASS_OPAQUE = 13,	/* named only: layout not in the profile */
};

struct vds_type_info {
	const char *name;	/* "" if anonymous */
	enum vds_type_class kind;
	uint64_t size;		/* bytes */
	const struct vds_type *target;	/* of pointers, arrays, enums; or NULL */
	uint64_t count;		/* elements of an array */
	size_t num_members;	/* of a struct or union */
	size_t num_enumerators;
};

/* One member, its offset from the start of the type it was asked of. */
struct vds_member_info {
	const char *name;
	uint32_t offset;	/* bytes */
	uint8_t bit_pos, bit_len;	/* bit_len 0 = not a bit field */
	const struct vds_type *type;
	uint64_t size;		/* bytes of its storage */
};

/*
 * The named type, or NULL if the profile lacks it. Lives as long as the run.
 * Types of 32-bit user mode, which no kernel's symbols hold, end in 32
 * ("_PEB_LDR_DATA32", "_LDR_DATA_TABLE_ENTRY32", "_HEAP32").
 */
VDS_EXPORT const struct vds_type *vds_type_find(const struct vds_run *run,
						const char *name);
/* All named types of the profile, by index; in order of name, the 32-bit ones
 * last. @index < vds_num_types(). */
VDS_EXPORT size_t vds_num_types(const struct vds_run *run);
VDS_EXPORT const struct vds_type *vds_type_at(const struct vds_run *run,
					      size_t index);
VDS_EXPORT void vds_type_info(const struct vds_type *type,
			      struct vds_type_info *ret);
/* sizeof; 0 for NULL. */
VDS_EXPORT uint64_t vds_type_size(const struct vds_type *type);
/* Members in order of offset. @index < num_members. */
VDS_EXPORT void vds_type_member_at(const struct vds_type *type, size_t index,
				   struct vds_member_info *ret);
/*
 * A member by path ("u.Flags.Image"); alternatives separated by '|', newest
 * layout first. False if @type is NULL or has none of them.
 */
VDS_EXPORT bool vds_type_member_find(const struct vds_type *type,
				     const char *paths,
				     struct vds_member_info *ret);
/* The name of @value in an enum, or NULL. */
VDS_EXPORT const char *vds_type_enumerator(const struct vds_type *type,
					   int64_t value);
/* Enumerators in order of value. @index < num_enumerators. */
VDS_EXPORT const char *vds_type_enumerator_at(const struct vds_type *type,
					      size_t index, int64_t *ret_value);
/* The value of the enumerator @name; false if there is none. */
VDS_EXPORT bool vds_type_enum_value(const struct vds_type *type,
				    const char *name, int64_t *ret);

/*
 * The set bits of a structure of bit fields, by name, in order of position:
 * "File Commit", or "Partition=3" for wider fields; NULL if none is set. In
 * run's memory. @value is the structure's first 8 bytes.
 */
VDS_EXPORT const char *vds_bit_field_words(struct vds_run *run,
					   const struct vds_type *type,
					   uint64_t value);

/* Virtual address of a kernel global in *ret; NO_FIELD if not known. */
VDS_EXPORT enum vds_why vds_symbol_address(const struct vds_run *run,
					   const char *name, uint64_t *ret);
/* Kernel image base; and the name of the symbol at or before @va, or NULL. */
VDS_EXPORT uint64_t vds_kernel_base(const struct vds_run *run);

/* Kernel memory, as the System process sees it. */
VDS_EXPORT enum vds_why vds_kernel_read(struct vds_run *run, uint64_t va,
					void *buf, size_t len);
/* A little-endian integer of 1, 2, 4 or 8 bytes, zero-extended. */
VDS_EXPORT enum vds_why vds_kernel_uint(struct vds_run *run, uint64_t va,
					size_t size, uint64_t *ret);
/*
 * The integer value of one member of the structure of type @type at @va; bit
 * fields are extracted. @paths as in vds_type_member_find().
 */
VDS_EXPORT enum vds_why vds_kernel_member(struct vds_run *run, uint64_t va,
					  const struct vds_type *type,
					  const char *paths, uint64_t *ret);
/* The value of a member within bytes already read; @data starts at the type. */
VDS_EXPORT enum vds_why vds_member_value(const struct vds_member_info *member,
					 const void *data, size_t len,
					 uint64_t *ret);
/*
 * The text of a UNICODE_STRING structure at kernel address @va as UTF-8, in
 * run's memory; cut after 32 KiB. NOT_APPLICABLE if it is empty.
 */
VDS_EXPORT enum vds_why vds_kernel_unicode_string(struct vds_run *run,
						  uint64_t va,
						  const char **ret);
/* The same in a process's user space. */
VDS_EXPORT enum vds_why
vds_process_unicode_string(struct vds_run *run,
			   const struct vds_process *process, uint64_t va,
			   const char **ret);

/* The same of a string of 32-bit code, whose pointer has four bytes. */
VDS_EXPORT enum vds_why
vds_process_unicode_string32(struct vds_run *run,
			     const struct vds_process *process, uint64_t va,
			     const char **ret);

/* Physical memory. */
VDS_EXPORT enum vds_why vds_physical_read(const struct vds_run *run,
					  uint64_t pa, void *buf, size_t len);
/*
 * One step of a scan over what was acquired: fills @buf (a multiple of 4096
 * bytes) from the first acquired byte at or after *pa, which is updated;
 * returns how many bytes, 0 at the end. Skips zero ranges and gaps.
 */
VDS_EXPORT size_t vds_physical_scan(const struct vds_run *run, uint64_t *pa,
				    void *buf, size_t len);
/*
 * Cuts what was acquired into pieces for vds_parallel(): the addresses, in
 * ascending order, of the aligned pieces of @size bytes (a multiple of 4096)
 * that hold anything. A gap costs nothing, however wide. *ret is borrowed until
 * run() returns. Errors: out of memory.
 */
VDS_EXPORT struct vds_error *vds_physical_pieces(struct vds_run *run,
						 uint64_t size,
						 const uint64_t **ret,
						 size_t *ret_count);
/* Bytes of physical memory whose content the image has. */
VDS_EXPORT uint64_t vds_physical_size(const struct vds_run *run);
/* Whether the page at physical address @pa is among them. */
VDS_EXPORT bool vds_physical_has(const struct vds_run *run, uint64_t pa);
/* One past the last acquired physical address. */
VDS_EXPORT uint64_t vds_physical_end(const struct vds_run *run);

/*
 * Walks a doubly linked list from its LIST_ENTRY @head, in kernel memory or in
 * that of @process (NULL: kernel). @link is the offset of the LIST_ENTRY within
 * the objects. Loops, bad and unreadable pointers and a wrong back link are
 * noted, and end the walk (a wrong back link does not). NULL: out of memory.
 */
struct vds_list_iter;
VDS_EXPORT struct vds_list_iter *
vds_list_iterate(struct vds_run *run, const struct vds_process *process,
		 uint64_t head, uint64_t link);
/* The same over the lists of 32-bit code in @process: four-byte pointers. */
VDS_EXPORT struct vds_list_iter *
vds_list_iterate32(struct vds_run *run, const struct vds_process *process,
		   uint64_t head, uint64_t link);
/* The next object's address in *ret; false at the end, and for a NULL @iter. */
VDS_EXPORT bool vds_list_next(struct vds_list_iter *iter, uint64_t *ret);
/* PRESENT if the walk came back to its head; otherwise why it ended. */
VDS_EXPORT enum vds_why vds_list_why(const struct vds_list_iter *iter);

/* Where a virtual address leads. */
struct vds_translation {
	enum vds_why why;	/* PRESENT: pa is valid */
	uint64_t pa;
	uint64_t page_size;
	/* Table entries met, from the top; levels 5 or 4 down to 1. */
	size_t num_entries;
	struct {
		unsigned int level;
		uint64_t pa, entry;
		enum vds_why why;	/* whether it could be read */
	} entries[5];
	bool hardware;		/* mapped by the tables alone */
	bool writable, user, executable;	/* effective, if hardware */
};

/* Translates as @process sees it; NULL: the kernel. */
VDS_EXPORT void vds_translate(struct vds_run *run,
			      const struct vds_process *process, uint64_t va,
			      struct vds_translation *ret);

#ifdef __cplusplus
}
#endif
#endif
