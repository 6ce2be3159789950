/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as they are typed: of dt, memread and vtop. */
#ifndef PLUGINS_ADDRESS_H
#define PLUGINS_ADDRESS_H

#include <vadose/plugin.h>

/*
 * Whether @text is a number: decimal, 0x hexadecimal, or hexadecimal as
 * debuggers print addresses (ffffc50b`90003040, 7ffe0000).
 */
bool address_is_number(const char *text, uint64_t *ret);

/*
 * The address that @text names: a number, a kernel symbol (PsActiveProcessHead,
 * nt!MiState), the pointer that lies at an address (poi(PsInitialSystemProcess)),
 * each with numbers added or taken away (nt!MiState+0x40). Pointers are read in
 * the space of @process; NULL: the kernel's. VDS_ERROR_USAGE if it is none of
 * these, or the pointer can't be read.
 */
struct vds_error *address_parse(struct vds_run *run,
				const struct vds_process *process,
				const char *text, uint64_t *ret);

/* Without the name of the kernel that debuggers put first: nt!, ntkrnlmp!. */
const char *address_without_module(const char *text);

#endif
