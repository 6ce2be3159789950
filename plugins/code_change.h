/* SPDX-License-Identifier: Apache-2.0 */
/* What changed code does now: jump away, or return at once. */
#ifndef CODE_CHANGE_H
#define CODE_CHANGE_H

#include <vadose/process.h>

/*
 * Where the instructions in @code, @len bytes that the process has at @va, jump
 * to; false if they don't, or if that can't be told. *ret_len: how many bytes
 * the jump takes.
 */
bool code_jumps(const struct vds_process *process, const uint8_t *code,
		size_t len, uint64_t va, uint64_t *ret_target,
		size_t *ret_len);

/* Do they return at once, with or without a result? */
bool code_returns(const uint8_t *code, size_t len);

#endif
