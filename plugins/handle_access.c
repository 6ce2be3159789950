/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bits are those of winnt.h, wdm.h and winuser.h (Windows SDK), without the
 * prefix that names the type; of ALPC ports and etw, phnt's.
 */
#include "handle_access.h"

#include <stdio.h>
#include <string.h>

/* Specific rights: bits 0 to 15. */
#define NUM_SPECIFIC 16

static const struct {
	const char *type;
	uint32_t all;		/* what the SDK calls TYPE_ALL_ACCESS, or 0 */
	const char *bits[NUM_SPECIFIC];
} specific[] = {
	{"ALPC Port", 0x1f0001, {"CONNECT"}},
	{"Desktop", 0, {"READOBJECTS", "CREATEWINDOW", "CREATEMENU", "HOOKCONTROL", "JOURNALRECORD", "JOURNALPLAYBACK", "ENUMERATE", "WRITEOBJECTS", "SWITCHDESKTOP"}},
	{"Directory", 0xf000f, {"QUERY", "TRAVERSE", "CREATE_OBJECT", "CREATE_SUBDIRECTORY"}},
	{"EtwRegistration", 0, {"QUERY", "NOTIFICATION", "WRITE", "GUID_ENABLE", "CREATE_REALTIME", "CREATE_ONDISK", "GUID_ENABLE_KERNEL", "LOG_EVENT", NULL, NULL, NULL, "REGISTER_GUIDS"}},
	{"Event", 0x1f0003, {"QUERY_STATE", "MODIFY_STATE"}},
	{"File", 0x1f01ff, {"READ_DATA", "WRITE_DATA", "APPEND_DATA", "READ_EA", "WRITE_EA", "EXECUTE", "DELETE_CHILD", "READ_ATTRIBUTES", "WRITE_ATTRIBUTES"}},
	{"IoCompletion", 0x1f0003, {"QUERY_STATE", "MODIFY_STATE"}},
	{"Job", 0, {"ASSIGN_PROCESS", "SET_ATTRIBUTES", "QUERY", "TERMINATE", "SET_SECURITY_ATTRIBUTES", "IMPERSONATE"}},
	{"Key", 0xf003f, {"QUERY_VALUE", "SET_VALUE", "CREATE_SUB_KEY", "ENUMERATE_SUB_KEYS", "NOTIFY", "CREATE_LINK", NULL, NULL, "WOW64_64KEY", "WOW64_32KEY"}},
	{"Mutant", 0x1f0001, {"QUERY_STATE"}},
	{"Process", 0x1fffff, {"TERMINATE", "CREATE_THREAD", "SET_SESSIONID", "VM_OPERATION", "VM_READ", "VM_WRITE", "DUP_HANDLE", "CREATE_PROCESS", "SET_QUOTA", "SET_INFORMATION", "QUERY_INFORMATION", "SUSPEND_RESUME", "QUERY_LIMITED_INFORMATION", "SET_LIMITED_INFORMATION"}},
	{"Section", 0xf001f, {"QUERY", "MAP_WRITE", "MAP_READ", "MAP_EXECUTE", "EXTEND_SIZE", "MAP_EXECUTE_EXPLICIT"}},
	{"Semaphore", 0x1f0003, {"QUERY_STATE", "MODIFY_STATE"}},
	{"SymbolicLink", 0xf0001, {"QUERY", "SET"}},
	{"Thread", 0x1fffff, {"TERMINATE", "SUSPEND_RESUME", "ALERT", "GET_CONTEXT", "SET_CONTEXT", "SET_INFORMATION", "QUERY_INFORMATION", "SET_THREAD_TOKEN", "IMPERSONATE", "DIRECT_IMPERSONATION", "SET_LIMITED_INFORMATION", "QUERY_LIMITED_INFORMATION", "RESUME"}},
	{"Timer", 0x1f0003, {"QUERY_STATE", "MODIFY_STATE"}},
	{"Token", 0xf01ff, {"ASSIGN_PRIMARY", "DUPLICATE", "IMPERSONATE", "QUERY", "QUERY_SOURCE", "ADJUST_PRIVILEGES", "ADJUST_GROUPS", "ADJUST_DEFAULT", "ADJUST_SESSIONID"}},
	{"WindowStation", 0, {"ENUMDESKTOPS", "READATTRIBUTES", "ACCESSCLIPBOARD", "CREATEDESKTOP", "WRITEATTRIBUTES", "ACCESSGLOBALATOMS", "EXITWINDOWS", NULL, "ENUMERATE", "READSCREEN"}},
};

#define NUM_TYPES (sizeof(specific) / sizeof(*specific))

/* Of all types, from bit 16 on. */
static const char *const standard[] = {
	"DELETE", "READ_CONTROL", "WRITE_DAC", "WRITE_OWNER", "SYNCHRONIZE",
	NULL, NULL, NULL, "ACCESS_SYSTEM_SECURITY",
};
#define NUM_STANDARD (sizeof(standard) / sizeof(*standard))

static size_t find_type(const char *type)
{
	for (size_t i = 0; type && i < NUM_TYPES; i++) {
		if (!strcmp(type, specific[i].type))
			return i;
	}
	return NUM_TYPES;
}

static const char *bit_word(const char *const *bits, unsigned int bit)
{
	if (bit < NUM_SPECIFIC)
		return bits ? bits[bit] : NULL;
	bit -= NUM_SPECIFIC;
	return bit < NUM_STANDARD ? standard[bit] : NULL;
}

const char *handle_access_words(struct vds_run *run, const char *type,
				uint32_t access)
{
	size_t index = find_type(type);
	const char *const *bits =
		index < NUM_TYPES ? specific[index].bits : NULL;
	char text[512];
	size_t len = 0;
	uint32_t rest = 0;

	if (bits && access == specific[index].all)
		return "ALL_ACCESS";
	for (unsigned int i = 0; i < 32; i++) {
		const char *word = bit_word(bits, i);

		if (!(access >> i & 1))
			continue;
		if (!word || len + strlen(word) + 16 > sizeof(text)) {
			rest |= UINT32_C(1) << i;
			continue;
		}
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%s%s", len ? " " : "", word);
	}
	if (rest)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%s0x%x", len ? " " : "", rest);
	return len ? vds_sprintf(run, "%s", text) : NULL;
}
