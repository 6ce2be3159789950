/* SPDX-License-Identifier: Apache-2.0 */
/* The pieces that reading a profile is made of; private to load*.c. */
#ifndef VDS_PROFILE_LOAD_INT_H
#define VDS_PROFILE_LOAD_INT_H

#include "profile/profile_int.h"
#include "profile/yaml_in.h"

#define VDS_LOAD_MAX_LAYERS 64

/* Which parts of a pack the wanted kernel consists of. */
struct vds_load_layers {
	struct vds_name *wanted[VDS_LOAD_MAX_LAYERS];
	size_t num;
};

struct vds_loader {
	struct vds_yaml_in in;
	struct vds_model *model;
	struct vds_profile_identity identity;
	const struct vds_profile_identity *want;	/* NULL = the only one */
	struct vds_load_layers layers;
	size_t kernels;		/* seen in a pack */
	bool found;		/* the wanted one */
	bool head_only;
	/* All kernels' identities, when they are what is asked for. */
	bool list;
	struct vds_profile_identity *listed;
};

/* Called at a value, which it consumes. */
typedef struct vds_error *(*vds_load_value_fn)(struct vds_loader *,
					       const char *key, void *arg);
typedef struct vds_error *(*vds_load_entry_fn)(struct vds_loader *,
					       struct vds_name *name,
					       void *arg);

/* Gives an error of the model the position of the current event. */
struct vds_error *vds_load_locate(struct vds_loader *l, struct vds_error *err);

/* The current scalar, not consumed: it lives until the next event. */
struct vds_error *vds_load_text(struct vds_loader *l, const char **ret,
				size_t *ret_len);
/* These consume it. @key is for messages. */
struct vds_error *vds_load_u64(struct vds_loader *l, const char *key,
			       uint64_t max, uint64_t *ret);
struct vds_error *vds_load_u32(struct vds_loader *l, const char *key,
			       uint32_t *ret);
/* Copies printable ASCII into an array of @size bytes. */
struct vds_error *vds_load_string(struct vds_loader *l, const char *key,
				  char *ret, size_t size);

/* Walks a mapping of which only the keys @known are allowed, each once. */
struct vds_error *vds_load_each(struct vds_loader *l, const char *what,
				const char *const *known, vds_load_value_fn fn,
				void *arg);
/*
 * Walks a mapping with free keys, interned. With @unique, duplicates are
 * refused here (the values may then not walk another such mapping).
 */
struct vds_error *vds_load_each_name(struct vds_loader *l, const char *what,
				     bool unique, vds_load_entry_fn fn,
				     void *arg);

/* A mapping of types, of symbols. */
struct vds_error *vds_load_types(struct vds_loader *l);
struct vds_error *vds_load_symbols(struct vds_loader *l);

#endif
