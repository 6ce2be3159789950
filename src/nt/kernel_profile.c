/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/kernel_profile.h"

#include <string.h>

#include "base/str.h"
#include "profile/load.h"

static struct vds_error *no_profile(const struct vds_kernel *kernel)
{
	const struct vds_pdb_id *pdb = &kernel->pdb;
	if (!pdb->guid[0])
		return vds_error_create(VDS_ERROR_NO_PROFILE,
					"the kernel's PDB identity is not in the image: name a profile with --profile");
	return vds_error_create(VDS_ERROR_NO_PROFILE,
				"no profile for %s %s-%u; with a network: vadose profile fetch %s/%s%X; without one: vadose profile from-pdb %s -o %s%X.yaml, then run again with -s",
				pdb->name, pdb->guid, pdb->age, pdb->name,
				pdb->guid, pdb->age, pdb->name, pdb->guid,
				pdb->age);
}

static bool is_exact(const struct vds_kernel *kernel,
		     const struct vds_profile *profile)
{
	const struct vds_profile_identity *id = vds_profile_identity(profile);
	return kernel->pdb.guid[0] && id->age == kernel->pdb.age &&
	       vds_streq_nocase(id->guid, kernel->pdb.guid);
}

struct vds_error *vds_kernel_load_profile(struct vds_kernel *kernel,
					  const struct vds_kernel_options *options,
					  struct vds_tlb *tlb)
{
	(void)tlb;
	if (options->profile_path) {
		struct vds_profile *profile;
		struct vds_error *err = vds_profile_load(options->profile_path,
							 &profile);
		if (err)
			return err;
		kernel->profile = profile;
		kernel->profile_exact = is_exact(kernel, profile);
		return NULL;
	}
	return no_profile(kernel);
}

struct vds_error *vds_kernel_infer(struct vds_kernel *kernel, const char *what,
				   uint64_t value, const char *how,
				   const char *check)
{
	size_t n = kernel->num_inferences;
	struct vds_inference *list = vds_arena_calloc(&kernel->arena, n + 1,
						      sizeof(*list));
	if (!list)
		return &vds_enomem;
	if (n)
		memcpy(list, kernel->inferences, n * sizeof(*list));
	list[n] = (struct vds_inference){what, value, how, check};
	kernel->inferences = list;
	kernel->num_inferences = n + 1;
	return NULL;
}
