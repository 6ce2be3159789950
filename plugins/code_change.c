/* SPDX-License-Identifier: Apache-2.0 */
/* Opcodes are those of the Intel SDM, volume 2. */
#include <string.h>

#include <vadose/process.h>

#include "code_change.h"

static uint64_t get(const uint8_t *p, size_t len)
{
	uint64_t v = 0;
	for (size_t i = len; i--;)
		v = v << 8 | p[i];
	return v;
}

static uint64_t relative(const uint8_t *p, uint64_t next)
{
	return next + (uint64_t)(int64_t)(int32_t)get(p, 4);
}

/* MOV reg, imm64 and JMP reg: by way of rax, r10 or r11. */
static bool by_register(const uint8_t *p, size_t len, uint64_t *ret,
			size_t *ret_len)
{
	if (len >= 12 && p[0] == 0x48 && p[1] == 0xb8 && p[10] == 0xff &&
	    p[11] == 0xe0) {
		*ret_len = 12;
	} else if (len >= 13 && p[0] == 0x49 && (p[1] == 0xba || p[1] == 0xbb) &&
		   p[10] == 0x41 && p[11] == 0xff && p[12] == p[1] + 0x28) {
		*ret_len = 13;
	} else {
		return false;
	}
	*ret = get(p + 2, 8);
	return true;
}

/* PUSH imm32, perhaps MOV [rsp+4], imm32 for the upper half, and RET. */
static bool by_return(const uint8_t *p, size_t len, uint64_t *ret,
		      size_t *ret_len)
{
	if (len >= 6 && p[0] == 0x68 && p[5] == 0xc3) {
		*ret = (uint64_t)(int64_t)(int32_t)get(p + 1, 4);
		*ret_len = 6;
		return true;
	}
	if (len >= 14 && p[0] == 0x68 && !memcmp(p + 5, "\xc7\x44\x24\x04", 4) &&
	    p[13] == 0xc3) {
		*ret = get(p + 1, 4) | get(p + 9, 4) << 32;
		*ret_len = 14;
		return true;
	}
	return false;
}

static bool jumps_once(const struct vds_process *process, const uint8_t *p,
		       size_t len, uint64_t va, uint64_t *ret, size_t *ret_len)
{
	uint8_t pointer[8];
	if (len >= 5 && p[0] == 0xe9) {
		*ret = relative(p + 1, va + 5);
		*ret_len = 5;
		return true;
	}
	/* JMP [rip+disp32]; the pointer may lie in what was changed, too. */
	if (len >= 6 && p[0] == 0xff && p[1] == 0x25) {
		*ret_len = 6;
		if (vds_process_read(process, relative(p + 2, va + 6), pointer,
				     sizeof(pointer)))
			return false;
		*ret = get(pointer, 8);
		return true;
	}
	return by_register(p, len, ret, ret_len) ||
	       by_return(p, len, ret, ret_len);
}

bool code_jumps(const struct vds_process *process, const uint8_t *p, size_t len,
		uint64_t va, uint64_t *ret_target, size_t *ret_len)
{
	uint8_t there[16];
	size_t more;
	if (jumps_once(process, p, len, va, ret_target, ret_len))
		return true;
	/* A short jump is a hook if it leads to a far one (hot patches). */
	if (len < 2 || p[0] != 0xeb)
		return false;
	uint64_t next = va + 2 + (uint64_t)(int64_t)(int8_t)p[1];
	*ret_len = 2;
	return !vds_process_read(process, next, there, sizeof(there)) &&
	       jumps_once(process, there, sizeof(there), next, ret_target,
			  &more);
}

bool code_returns(const uint8_t *p, size_t len)
{
	/* MOV eax, imm32; XOR eax, eax or rax, rax; or no result at all. */
	if (len >= 6 && p[0] == 0xb8) {
		p += 5;
		len -= 5;
	} else if (len >= 4 && p[0] == 0x48 && (p[1] == 0x31 || p[1] == 0x33) &&
		   p[2] == 0xc0) {
		p += 3;
		len -= 3;
	} else if (len >= 3 && (p[0] == 0x31 || p[0] == 0x33) && p[1] == 0xc0) {
		p += 2;
		len -= 2;
	}
	return len >= 1 && (p[0] == 0xc3 || (len >= 3 && p[0] == 0xc2));
}
