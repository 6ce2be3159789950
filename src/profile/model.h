/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile under construction. Every producer (the YAML loader, from-isf,
 * from-pdb) builds one of these and finishes it, so that the canonical form is
 * decided in one place: two producers that state the same facts give equal
 * profiles and, through vds_profile_emit(), equal bytes.
 *
 * What is canonical:
 * - a named type exists once; the definition added last wins (what a by-name
 *   table such as an ISF keeps of a PDB that defines a name twice);
 * - a member name occurs once in a type, again the last one added wins;
 *   members are sorted by (offset, bit_pos, name);
 * - members of unnamed nested structs and unions are lifted into the type
 *   that holds them (as PDBs state them anyway); other unnamed members are
 *   padding and dropped;
 * - anonymous types have no name at all: producers make them with name NULL
 *   and refer to them by handle. In YAML they are named by the path of the
 *   member that leads to them ("_MMVAD_SHORT.u"), never by a producer's index;
 * - enumerators are sorted by (value, name), values taken modulo the size and
 *   signedness of the enum's base type;
 * - classes are structs;
 * - a symbol name occurs once, with its lowest RVA; symbols by name;
 * - in names of types and members '.' becomes '_', as does what would read as
 *   a pointer or array at the end of a type's name;
 * - names are valid UTF-8; ASCII control characters are kept (the names of
 *   import thunks begin with DEL), whoever prints escapes them.
 *
 * Not thread-safe; one thread builds, then the finished profile is immutable.
 */
#ifndef VDS_PROFILE_MODEL_H
#define VDS_PROFILE_MODEL_H

#include "base/str.h"
#include "profile/profile.h"

struct vds_model;
/* A handle, valid until the model is finished or destroyed; never NULL. */
struct vds_model_type;

struct vds_error *vds_model_create(struct vds_model **ret);
/* NULL accepted. Not to be called after a successful vds_model_finish(). */
void vds_model_destroy(struct vds_model *model);

/*
 * Copied; may be called any time before finish, the last call counts. `arch`
 * sets the size of pointers that are added without one ("x86": 4, else 8).
 */
void vds_model_set_identity(struct vds_model *model,
			    const struct vds_profile_identity *identity);

/* Sets what a PDB or a symbol table doesn't say; after set_identity. */
void vds_model_set_build(struct vds_model *model, uint32_t build,
			 uint32_t revision);

/*
 * A base type by its canonical name, the one that ISF tables use:
 *   void, char, unsigned char, wchar, char16, char32, bool, short, unsigned
 *   short, int, unsigned int, long, unsigned long, long long, unsigned long
 *   long, int128, unsigned int128, float, double, HRESULT, function
 * (wchar is CodeView's 0x71; "long" is 4 bytes, "char" covers 0x10, 0x68 and
 * 0x70, "unsigned char" 0x20 and 0x69; see base_types in model.c).
 * False if there is no such name.
 */
bool vds_model_base(struct vds_model *model, const char *name,
		    struct vds_model_type **ret);
/* A base type of another name: it is spelled out in the YAML. */
struct vds_error *vds_model_add_base(struct vds_model *model, const char *name,
				     enum vds_base_encoding encoding,
				     uint64_t size,
				     struct vds_model_type **ret);

/* @size 0 = the architecture's pointer size. */
struct vds_error *vds_model_pointer(struct vds_model *model,
				    struct vds_model_type *target,
				    unsigned int size,
				    struct vds_model_type **ret);
struct vds_error *vds_model_array(struct vds_model *model,
				  struct vds_model_type *element,
				  uint64_t count, struct vds_model_type **ret);

/*
 * The type called @name (@len bytes), wherever and whenever it is defined; if
 * it never is, it is VDS_TYPE_OPAQUE. Use it for forward references and for
 * every reference to a named type.
 */
struct vds_error *vds_model_named(struct vds_model *model, const char *name,
				  size_t len, struct vds_model_type **ret);

/*
 * Starts the definition of a struct, union or enum (@kind) of @size bytes and
 * returns the handle to add members or enumerators to: that of
 * vds_model_named() if it has a name, emptied if it was defined before. With
 * @name NULL a new anonymous type. @base is an enum's base type, else NULL.
 */
struct vds_error *vds_model_define(struct vds_model *model,
				   enum vds_type_kind kind, const char *name,
				   size_t len, uint64_t size,
				   struct vds_model_type *base,
				   struct vds_model_type **ret);

/*
 * Adds a member to a struct or union. @len 0 = unnamed. @bit_len 0 = not a
 * bit field. Whether it lies within the type is checked by finish.
 */
struct vds_error *vds_model_member(struct vds_model *model,
				   struct vds_model_type *type,
				   const char *name, size_t len,
				   uint32_t offset, unsigned int bit_pos,
				   unsigned int bit_len,
				   struct vds_model_type *member_type);
struct vds_error *vds_model_enumerator(struct vds_model *model,
				       struct vds_model_type *type,
				       const char *name, size_t len,
				       int64_t value);
struct vds_error *vds_model_symbol(struct vds_model *model, const char *name,
				   size_t len, uint32_t rva);

/*
 * Keeps the given types, all that they hold by value, and the given symbols;
 * drops the rest when finished. (Pointers to a dropped type keep its name.)
 * "_TYPE.member" keeps of that type only the members that are so listed.
 * Names that the model doesn't have are fine. Call after everything is added.
 */
struct vds_error *vds_model_trim(struct vds_model *model,
				 const char *const *types, size_t num_types,
				 const char *const *symbols,
				 size_t num_symbols);
/* The same with the project's own list (profiles/types.txt, symbols.txt). */
struct vds_error *vds_model_trim_default(struct vds_model *model);

/*
 * Resolves, checks, sorts and hands over: on success the model is consumed.
 * On failure (VDS_ERROR_FORMAT: a member outside of its type, a type that
 * contains itself; memory) it is still the caller's. The profile's path is
 * @path and its SHA-256 that of @bytes (what it was made from; may be NULL).
 */
struct vds_error *vds_model_finish(struct vds_model *model, const char *path,
				   const void *bytes, size_t len,
				   struct vds_profile **ret);

/*
 * Appends the profile as canonical YAML (docs/profile-format.md): the same
 * profile, the same bytes. VDS_ERROR_FORMAT if anonymous types nest too deep.
 */
struct vds_error *vds_profile_emit(const struct vds_profile *profile,
				   struct vds_str *out);

/* Takes the next @len bytes; an error ends the writing and is returned. */
typedef struct vds_error *vds_profile_write_fn(void *ctx, const char *data,
					       size_t len);
/* The same bytes piece by piece, without holding all of them in memory. */
struct vds_error *vds_profile_emit_to(const struct vds_profile *profile,
				      vds_profile_write_fn *write, void *ctx);

#endif
