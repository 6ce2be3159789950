/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "pdb/dbi.h"
#include "pdb/info.h"
#include "pdb/pdb.h"
#include "pdb/sections.h"
#include "pdb/symbols.h"
#include "pdb/to_types.h"

static const char *machine_name(uint16_t machine)
{
	switch (machine) {
	case VDS_MACHINE_X86:
		return "x86";
	case VDS_MACHINE_X64:
		return "x64";
	case VDS_MACHINE_ARM64:
		return "arm64";
	default:
		return "";
	}
}

/*
 * Linkers before VC 8 left the machine out. Then the pointers tell 32 from 64
 * bits, and 32 bits are x86: nothing else was left to be linked for by then.
 */
static struct vds_error *guess_machine(const struct vds_msf *msf,
				       const char **ret)
{
	struct vds_tpi tpi;
	struct vds_error *err = vds_tpi_load(msf, VDS_MSF_TPI, &tpi);
	if (err)
		return err;
	for (uint32_t i = tpi.begin; !err && i < tpi.end; i++) {
		struct vds_tpi_type t;
		err = vds_tpi_type(&tpi, i, &t);
		if (err || t.leaf != LF_POINTER)
			continue;
		*ret = t.size == 4 ? "x86" : t.size == 8 ? "x64" : *ret;
		break;
	}
	vds_tpi_deinit(&tpi);
	return err;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

struct vds_error *vds_pdb_identity(const struct vds_msf *msf, const char *name,
				   struct vds_profile_identity *ret)
{
	struct vds_profile_identity id = {.confidence = VDS_PROFILE_SYMBOLS};
	struct vds_pdb_info info;
	struct vds_dbi dbi;
	struct vds_error *err = vds_pdb_info_read(msf, &info);
	if (!err)
		err = vds_dbi_read(msf, &dbi);
	if (err)
		return err;
	const char *arch = machine_name(dbi.machine);
	if (!dbi.machine)
		err = guess_machine(msf, &arch);
	if (err)
		return err;
	snprintf(id.pdb, sizeof(id.pdb), "%s",
		 name ? name : last_part(vds_msf_path(msf)));
	snprintf(id.guid, sizeof(id.guid), "%s", info.guid);
	snprintf(id.arch, sizeof(id.arch), "%s", arch);
	id.age = dbi.present ? dbi.age : info.age;
	*ret = id;
	return NULL;
}

struct symbols {
	struct vds_model *model;
	const struct vds_pdb_sections *sections;
	bool x86;
};

/*
 * C on 32-bit x86 writes _f (cdecl and data), _f@8 (stdcall) and @f@8
 * (fastcall) for f.
 */
static void undecorate(const char **name, size_t *len)
{
	const char *s = *name;
	size_t n = *len;
	if (n < 2 || (s[0] != '_' && s[0] != '@'))
		return;
	size_t digits = 0;
	while (digits < n - 2 && s[n - 1 - digits] >= '0' &&
	       s[n - 1 - digits] <= '9')
		digits++;
	bool sized = digits && s[n - 1 - digits] == '@';
	if (s[0] == '@' && !sized)
		return;
	*name = s + 1;
	*len = n - 1 - (sized ? digits + 1 : 0);
}

static struct vds_error *add_symbol(void *ctx, const struct vds_pdb_symbol *sym)
{
	struct symbols *s = ctx;
	const char *name = sym->name;
	size_t len = sym->name_len;
	uint32_t rva;
	if (!vds_pdb_rva(s->sections, sym->section, sym->offset, &rva))
		return NULL;
	if (s->x86 && sym->is_public)
		undecorate(&name, &len);
	return len ? vds_model_symbol(s->model, name, len, rva) : NULL;
}

static struct vds_error *add_symbols(const struct vds_msf *msf, bool x86,
				     struct vds_model *model)
{
	struct vds_pdb_sections sections;
	struct vds_dbi dbi;
	struct vds_error *err = vds_dbi_read(msf, &dbi);
	if (!err)
		err = vds_pdb_sections_load(msf, &dbi, &sections);
	if (err)
		return err;
	struct symbols s = {model, &sections, x86};
	err = vds_pdb_symbols_walk(msf, &dbi, add_symbol, &s);
	vds_pdb_sections_deinit(&sections);
	return err;
}

static struct vds_error *fill(const struct vds_msf *msf, const char *name,
			      struct vds_model *model)
{
	struct vds_profile_identity id;
	struct vds_error *err = vds_pdb_identity(msf, name, &id);
	if (err)
		return err;
	bool x86 = !strcmp(id.arch, "x86");
	vds_model_set_identity(model, &id);
	err = vds_pdb_add_types(msf, x86 ? 4 : 8, model);
	return err ? err : add_symbols(msf, x86, model);
}

struct vds_error *vds_pdb_msf_to_model(const struct vds_msf *msf,
				       const char *name,
				       struct vds_model **ret)
{
	struct vds_model *model;
	struct vds_error *err = vds_model_create(&model);
	if (err)
		return err;
	err = fill(msf, name, model);
	if (err) {
		vds_model_destroy(model);
		return err;
	}
	*ret = model;
	return NULL;
}

struct vds_error *vds_pdb_to_model(const char *path, const char *name,
				   struct vds_model **ret)
{
	struct vds_msf *msf;
	struct vds_error *err = vds_msf_open(path, &msf);
	if (err)
		return err;
	err = vds_pdb_msf_to_model(msf, name, ret);
	vds_msf_close(msf);
	return err;
}
