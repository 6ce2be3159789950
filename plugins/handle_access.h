/* SPDX-License-Identifier: Apache-2.0 */
/* What a granted access mask allows, in the words of the Windows SDK. */
#ifndef PLUGINS_HANDLE_ACCESS_H
#define PLUGINS_HANDLE_ACCESS_H

#include <vadose/plugin.h>

/*
 * "VM_READ VM_WRITE SYNCHRONIZE", "ALL_ACCESS" for an object of @type ("Process"; NULL: not
 * known); bits without a name are a hexadecimal number at the end. NULL if none
 * is set. In run's memory.
 */
const char *handle_access_words(struct vds_run *run, const char *type,
				uint32_t access);

#endif
