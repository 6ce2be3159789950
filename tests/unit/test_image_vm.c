/* SPDX-License-Identifier: Apache-2.0 */
/* ELF cores, VMware states, and files that are refused by name. */
#include "image_temp.h"

/* An ELF core with a note segment first, then loads. */
struct core {
	struct temp t;
	uint8_t h[0x1000];
	uint16_t phnum;
};

static void core_open(struct core *c)
{
	temp_open(&c->t);
	memset(c->h, 0, sizeof(c->h));
	c->phnum = 0;
	memcpy(c->h, "\x7f" "ELF\2\1\0", 7);
	vds_put_le16(c->h + 16, 4);
	vds_put_le16(c->h + 18, 62);
	vds_put_le64(c->h + 32, 64);
	vds_put_le16(c->h + 54, 56);
}

static void put_segment(struct core *c, uint32_t type, uint64_t offset,
			uint64_t paddr, uint64_t filesz, uint64_t memsz)
{
	uint8_t *p = c->h + 64 + 56 * c->phnum++;
	vds_put_le32(p, type);
	vds_put_le64(p + 8, offset);
	vds_put_le64(p + 24, paddr);
	vds_put_le64(p + 32, filesz);
	vds_put_le64(p + 40, memsz);
	vds_put_le16(c->h + 56, c->phnum);
}

static void core_write(struct core *c)
{
	rewind(c->t.f);
	fwrite(c->h, 1, sizeof(c->h), c->t.f);
}

static void put_qemu_note(uint8_t *p, uint64_t cr3, uint64_t cr4)
{
	vds_put_le32(p, 5);
	vds_put_le32(p + 4, 0x1b8);
	vds_put_le32(p + 8, 0);
	memcpy(p + 12, "QEMU", 5);
	p += 20;
	vds_put_le32(p, 1);
	vds_put_le32(p + 4, 0x1b8);
	vds_put_le64(p + 0x1a0, cr3);
	vds_put_le64(p + 0x1a8, cr4);
}

START_TEST(elf_core_with_cpu_notes)
{
	struct core c;
	core_open(&c);
	put_segment(&c, 4, 0x400, 0, 3 * 0x1cc, 0);
	put_segment(&c, 1, 0x1000, 0x100000, 0x3000, 0x5000);
	put_segment(&c, 1, 0x4000, 0x8000, 0x1000, 0x1000);
	put_segment(&c, 1, UINT64_MAX, 0x40000, 0, 0x1000);	/* filtered */
	put_segment(&c, 1, 0x2000, 0x101000, 0x1000, 0x1000);	/* again */
	put_qemu_note(c.h + 0x400, 0, 0);
	put_qemu_note(c.h + 0x5cc, 0x1ad000, 0x1000);
	put_qemu_note(c.h + 0x798, 0x2ad000, 0x1000);
	core_write(&c);
	put_bytes(&c.t, 0x100000, 0x3000, 0);
	put_bytes(&c.t, 0x8000, 0x1000, 0);
	struct vds_image *image = open_ok(&c.t);
	ck_assert_str_eq(vds_image_format_name(image), "elf");
	ck_assert_str_eq(vds_image_dialect(image), "QEMU");
	check_bytes(image, 0x100000, 0x3000, 0);
	check_bytes(image, 0x8000, 0x1000, 0);
	check_absent(image, 0x40000, 1);
	uint8_t zeros[0x2000];
	ck_assert_int_eq(vds_image_read(image, 0x103000, zeros, 0x2000),
			 VDS_PRESENT);
	ck_assert_uint_eq(zeros[0] | zeros[0x1fff], 0);
	ck_assert_int_eq(vds_image_range_at(image, 0x103000)->kind,
			 VDS_RANGE_ZERO);
	const struct vds_image_hints *hints = vds_image_hints(image);
	ck_assert(hints->has_dtb && hints->has_la57 && hints->la57);
	ck_assert_uint_eq(hints->dtb, 0x1ad000);
	ck_assert_uint_eq(hints->num_cr3s, 2);
	ck_assert_uint_eq(hints->cr3s[1], 0x2ad000);
	ck_assert_uint_eq(hints->machine, 0x8664);
	ck_assert_uint_eq(vds_image_notes(image)->count, 0);
	vds_image_close(image);
	temp_close(&c.t);
}
END_TEST

static void put_vbox_note(uint8_t *p, uint64_t cr0, uint64_t cr3)
{
	vds_put_le32(p, 6);
	vds_put_le32(p + 4, 0x140);
	vds_put_le32(p + 8, 0xb01);
	memcpy(p + 12, "VBCPU", 6);
	vds_put_le64(p + 20 + 0x120, cr0);
	vds_put_le64(p + 20 + 0x130, cr3);
	vds_put_le64(p + 20 + 0x138, 0x1506f8);
}

/* EI_VERSION is 0 there; a CPU that is still in real mode tells nothing. */
START_TEST(virtualbox_core)
{
	struct core c;
	core_open(&c);
	put_segment(&c, 4, 0x400, 0, 3 * 0x154, 0);
	put_segment(&c, 1, 0x1000, 0, 0x1000, 0x1000);
	put_vbox_note(c.h + 0x400, 0x10, 0x666000);
	put_vbox_note(c.h + 0x554, 0x80050031, 0x1ad000);
	put_vbox_note(c.h + 0x6a8, 0x80050031, 0x2ad000);
	core_write(&c);
	put_bytes(&c.t, 0, 0x1000, 0);
	struct vds_image *image = open_ok(&c.t);
	const struct vds_image_hints *hints = vds_image_hints(image);
	ck_assert_str_eq(vds_image_dialect(image), "VirtualBox");
	check_bytes(image, 0, 0x1000, 0);
	ck_assert(hints->has_dtb && hints->has_la57 && !hints->la57);
	ck_assert_uint_eq(hints->dtb, 0x1ad000);
	ck_assert_uint_eq(hints->num_cr3s, 2);
	vds_image_close(image);
	temp_close(&c.t);
}
END_TEST

/* QEMU writes these for guests that aren't in long mode. */
START_TEST(elf32_core)
{
	struct temp t;
	uint8_t h[0x200] = "\x7f" "ELF\1\1\1";
	vds_put_le16(h + 16, 4);
	vds_put_le16(h + 18, 3);
	vds_put_le32(h + 28, 52);
	vds_put_le16(h + 42, 32);
	vds_put_le16(h + 44, 1);
	uint8_t *p = h + 52;
	vds_put_le32(p, 1);
	vds_put_le32(p + 4, 0x200);
	vds_put_le32(p + 12, 0x9000);
	vds_put_le32(p + 16, 0x1000);
	vds_put_le32(p + 20, 0x2000);
	temp_open(&t);
	fwrite(h, 1, sizeof(h), t.f);
	put_bytes(&t, 0x9000, 0x1000, 0);
	struct vds_image *image = open_ok(&t);
	check_bytes(image, 0x9000, 0x1000, 0);
	ck_assert_uint_eq(vds_image_end(image), 0xb000);
	ck_assert_uint_eq(vds_image_hints(image)->machine, 0x14c);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(elf_core_cut_short)
{
	struct core c;
	core_open(&c);
	put_segment(&c, 1, 0x1000, 0x4000, 0x8000, 0x8000);
	put_segment(&c, 1, 0x9000, 0x20000, 0x8000, 0x8000);
	core_write(&c);
	put_bytes(&c.t, 0x4000, 0x1800, 0);
	struct vds_image *image = open_ok(&c.t);
	check_bytes(image, 0x4000, 0x1800, 0);
	check_absent(image, 0x5800, 1);
	check_absent(image, 0x20000, 1);
	ck_assert(has_note(image, "elf_truncated"));
	vds_image_close(image);
	temp_close(&c.t);
}
END_TEST

START_TEST(cores_of_processes_are_refused)
{
	struct core c;
	core_open(&c);
	put_segment(&c, 1, 0x1000, 0, 0x1000, 0x1000);
	put_segment(&c, 1, 0x2000, 0, 0x1000, 0x1000);
	core_write(&c);
	put_bytes(&c.t, 0, 0x2000, 0);
	open_fails(&c.t, VDS_ERROR_NOT_AN_IMAGE, "core of a process");
	temp_close(&c.t);
}
END_TEST

static const struct {
	uint16_t at;
	uint8_t size;
	uint64_t value;
	enum vds_error_code code;
	const char *part;
} bad_elf[] = {
	{4, 1, 3, VDS_ERROR_FORMAT, "EI_CLASS"},
	{5, 1, 2, VDS_ERROR_UNSUPPORTED, "EI_DATA"},
	{16, 2, 2, VDS_ERROR_NOT_AN_IMAGE, "e_type at offset 0x10 is 2"},
	{32, 8, UINT64_MAX - 10, VDS_ERROR_FORMAT, "e_phoff at offset 0x20"},
	{54, 2, 55, VDS_ERROR_FORMAT, "e_phentsize at offset 0x36 is 55"},
	{56, 2, 0xffff, VDS_ERROR_FORMAT, "no section header"},
	{56, 2, 0, VDS_ERROR_NOT_AN_IMAGE, "without any memory"},
	{64 + 8, 8, UINT64_C(1) << 40, VDS_ERROR_NOT_AN_IMAGE,
	 "before any of its memory: 0x1000 bytes are missing"},
	{64 + 24, 8, UINT64_C(1) << 53, VDS_ERROR_FORMAT, "offset 0x40"},
	{64 + 24, 8, UINT64_MAX, VDS_ERROR_NOT_AN_IMAGE, "p_paddr"},
	{64 + 40, 8, UINT64_MAX, VDS_ERROR_FORMAT, "offset 0x40"},
};

START_TEST(bad_elf_fields_are_named)
{
	struct core c;
	uint8_t value[8];
	core_open(&c);
	put_segment(&c, 1, 0x1000, 0x1000, 0x1000, 0x1000);
	vds_put_le64(c.h + 40, UINT64_MAX - 50);	/* e_shoff */
	vds_put_le64(value, bad_elf[_i].value);
	memcpy(c.h + bad_elf[_i].at, value, bad_elf[_i].size);
	core_write(&c);
	put_bytes(&c.t, 0x1000, 0x1000, 0);
	open_fails(&c.t, bad_elf[_i].code, bad_elf[_i].part);
	temp_close(&c.t);
}
END_TEST

/* A .vmss under construction. */
struct state {
	uint8_t h[0x2000];
	size_t len;
};

static void state_open(struct state *s, uint32_t magic)
{
	memset(s->h, 0, sizeof(s->h));
	vds_put_le32(s->h, magic);
	vds_put_le32(s->h + 8, 2);
	strcpy((char *)s->h + 12, "cpu");
	vds_put_le64(s->h + 12 + 64, 0x100);
	strcpy((char *)s->h + 92, "memory");
	vds_put_le64(s->h + 92 + 64, 0x200);
	s->len = 0x100;
}

static void put_tag(struct state *s, const char *name, unsigned int indices,
		    uint32_t first, uint32_t second, unsigned int size,
		    uint64_t value)
{
	uint8_t *p = s->h + s->len;
	*p++ = (uint8_t)(indices << 6 | size);
	*p++ = (uint8_t)strlen(name);
	memcpy(p, name, strlen(name));
	p += strlen(name);
	if (indices > 0)
		vds_put_le32(p, first);
	if (indices > 1)
		vds_put_le32(p + 4, second);
	p += 4 * indices;
	vds_put_le64(p, value);
	s->len = (size_t)(p - s->h) + (size <= 8 ? size : 0);
}

static void put_cpus(struct state *s)
{
	put_tag(s, "CR64", 2, 0, 3, 8, 0x1ad000);
	put_tag(s, "CR64", 2, 0, 4, 8, 0x6f8);
	put_tag(s, "CR64", 2, 1, 3, 8, 0x2ad000);
	s->len = 0x200;
}

static void put_region(struct state *s, uint32_t i, uint32_t ppn, uint32_t page,
		       uint32_t size)
{
	put_tag(s, "regionPageNum", 1, i, 0, 4, page);
	put_tag(s, "regionPPN", 1, i, 0, 4, ppn);
	put_tag(s, "regionSize", 1, i, 0, 4, size);
}

static void put_file(const char *dir, const char *name, const void *data,
		     size_t len)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "wb");
	ck_assert_ptr_nonnull(f);
	fwrite(data, 1, len, f);
	fclose(f);
}

static struct vds_error *open_in(const char *dir, const char *name,
				 struct vds_image **ret)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return vds_image_open(path, NULL, ret);
}

static void remove_all(const char *dir, const char *const *names)
{
	char path[256];
	for (; *names; names++) {
		snprintf(path, sizeof(path), "%s/%s", dir, *names);
		unlink(path);
	}
	ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(vmem_with_its_state)
{
	static const char *const names[] = {"a.vmem", "A.VMSS", "a.vmsn", NULL};
	char dir[] = "/tmp/vds-vmware-XXXXXX";
	uint8_t memory[0x3000];
	struct state s;
	ck_assert_ptr_nonnull(mkdtemp(dir));
	for (uint64_t i = 0; i < 0x1000; i++) {
		memory[i] = byte_at(i, 0);
		memory[0x1000 + i] = byte_at(0x100000000 + i, 0);
		memory[0x2000 + i] = byte_at(0x100001000 + i, 0);
	}
	put_file(dir, names[0], memory, sizeof(memory));
	state_open(&s, _i ? 0xbed2bed0 : 0xbed2bed2);
	put_cpus(&s);
	put_tag(&s, "regionsCount", 0, 0, 0, 4, 2);
	put_region(&s, 1, 0x100000, 1, 2);
	put_region(&s, 0, 0, 0, 1);
	put_file(dir, names[_i ? 2 : 1], s.h, s.len + 2);
	struct vds_image *image;
	struct vds_error *err = open_in(dir, "a.vmem", &image);
	ck_assert_msg(!err, "%s", err ? err->message : "");
	ck_assert_str_eq(vds_image_format_name(image), "vmware");
	check_bytes(image, 0, 0x1000, 0);
	check_bytes(image, 0x100000000, 0x2000, 0);
	check_absent(image, 0x1000, 1);
	const struct vds_image_hints *hints = vds_image_hints(image);
	ck_assert(hints->has_dtb && hints->has_la57 && !hints->la57);
	ck_assert_uint_eq(hints->dtb, 0x1ad000);
	ck_assert_uint_eq(hints->num_cr3s, 2);
	ck_assert_uint_eq(vds_image_notes(image)->count, 0);
	vds_image_close(image);
	remove_all(dir, names);
}
END_TEST

START_TEST(state_with_memory_inside)
{
	struct temp t;
	struct state s;
	temp_open(&t);
	state_open(&s, 0xbed3bed3);
	put_cpus(&s);
	put_tag(&s, "regionsCount", 0, 0, 0, 4, 0);
	put_tag(&s, "Memory", 2, 0, 0, 62, 0x2000);
	vds_put_le64(s.h + s.len + 8, 0x2000);
	vds_put_le16(s.h + s.len + 16, 5);
	fwrite(s.h, 1, s.len + 18 + 5, t.f);
	put_bytes(&t, 0, 0x2000, 0);
	fwrite("\0", 1, 2, t.f);
	struct vds_image *image = open_ok(&t);
	ck_assert_str_eq(vds_image_dialect(image), "state with memory");
	check_bytes(image, 0, 0x2000, 0);
	check_absent(image, 0x2000, 1);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(vmem_alone_and_state_alone)
{
	static const char *const names[] = {"b.vmem", "b.vmss", "c.vmss",
					    NULL};
	char dir[] = "/tmp/vds-vmware-XXXXXX";
	static const uint8_t memory[0x2000];
	struct vds_image *image;
	struct state s;
	ck_assert_ptr_nonnull(mkdtemp(dir));
	put_file(dir, "b.vmem", memory, sizeof(memory));
	ck_assert_ptr_null(open_in(dir, "b.vmem", &image));
	ck_assert_str_eq(vds_image_dialect(image), "vmem alone");
	ck_assert_uint_eq(vds_image_end(image), 0x2000);
	ck_assert_uint_eq(vds_image_notes(image)->count, 0);
	vds_image_close(image);
	put_file(dir, "b.vmss", memory, sizeof(memory));
	ck_assert_ptr_null(open_in(dir, "b.vmem", &image));
	ck_assert_str_eq(vds_image_dialect(image), "vmem alone");
	ck_assert_uint_eq(vds_image_notes(image)->count, 1);
	vds_image_close(image);
	state_open(&s, 0xbed2bed2);
	put_cpus(&s);
	put_file(dir, "c.vmss", s.h, s.len + 2);
	struct vds_error *err = open_in(dir, "c.vmss", &image);
	ck_assert_ptr_nonnull(err);
	ck_assert(strstr(err->message, "no .vmem file"));
	vds_error_destroy(err);
	remove_all(dir, names);
}
END_TEST

START_TEST(bad_states_are_refused)
{
	static const char *const names[] = {"d.vmem", "d.vmss", NULL};
	static const char *const parts[] = {
		"regionsCount", "tag regionPPN is missing", "overlap",
		"beyond the end of the file", "number of groups"};
	char dir[] = "/tmp/vds-vmware-XXXXXX";
	static const uint8_t memory[0x2000];
	struct vds_image *image;
	struct state s;
	ck_assert_ptr_nonnull(mkdtemp(dir));
	put_file(dir, names[0], memory, sizeof(memory));
	state_open(&s, 0xbed2bed2);
	put_cpus(&s);
	put_tag(&s, "regionsCount", 0, 0, 0, 4, _i == 0 ? 65 : 2);
	put_region(&s, 0, 0, 0, 2);
	if (_i == 2)
		put_region(&s, 1, 1, 1, 1);
	if (_i == 3)
		put_tag(&s, "long", 0, 0, 0, 62, UINT64_MAX - 0x100);
	if (_i == 4)
		vds_put_le32(s.h + 8, UINT32_MAX);
	put_file(dir, names[1], s.h, s.len + 20);
	struct vds_error *err = open_in(dir, "d.vmem", &image);
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->code, VDS_ERROR_FORMAT);
	ck_assert_msg(strstr(err->message, parts[_i]), "%s", err->message);
	vds_error_destroy(err);
	remove_all(dir, names);
}
END_TEST

static const struct {
	const char *magic;
	size_t len;
	const char *part;
} foreign[] = {
	{"KDUMP   ", 8, "kdump"},
	{"makedumpfile\0", 13, "kdump"},
	{"hibr", 4, "hibernation"},
	{"EVF\x09\x0d\x0a\xff\x00", 8, "EWF"},
	{"MDMP", 4, "minidump of one process"},
	{"conectix", 8, "VHD"},
	{"QFI\xfb", 4, "qcow"},
	{"PK\3\4", 4, "zip archive"},
	{"\xff\x06\x00\x00S2sTwO", 10, "s2d"},
	{"DISKDUMP", 8, "kdump"},
	{"HIBR", 4, "Hibr2Bin"},
	{"wake", 4, "hibernation"},
	{"RSTR", 4, "hibernation"},
	{"HORM", 4, "hibernation"},
	{"QEVM", 4, "dump-guest-memory"},
	{"LibvirtQemudSave", 16, "virsh dump"},
	{"\x7fVirtualBox SavedState V", 24, "dumpvmcore"},
	{"vhdxfile", 8, "VHDX"},
	{"KDMV", 4, "VMDK"},
	{"# Disk DescriptorFile", 21, "VMDK"},
	{"7z\xbc\xaf\x27\x1c", 6, "7z"},
	{"Rar!\x1a\x07", 6, "RAR"},
	{"\xfd" "7zXZ\0", 6, "xz -d"},
	{"\x28\xb5\x2f\xfd", 4, "zstd -d"},
	{"BZh9", 4, "bzip2 -d"},
	{"\x04\x22\x4d\x18", 4, "lz4 -d"},
	{"\x1f\x9d\x90", 3, "uncompress"},
	{"MSCF\0\0\0\0", 8, "cabinet"},
	{"HPAK", 4, "HPAK"},
	{"ADSEGMENTEDFILE\0", 16, "AD1"},
	{"LVF\x09\x0d\x0a\xff\x00", 8, "logical evidence"},
	{"AFF10\x0d\x0a\0", 8, "affconvert"},
	{"\xcf\xfa\xed\xfe", 4, "Mach-O"},
	{"\xeb\x52\x90NTFS    ", 11, "NTFS"},
	{"Microsoft C/C++ MSF 7.00", 24, "from-pdb"},
};

/* Windows 7 zeroes the first page when it resumes; the rest is still there. */
START_TEST(a_resumed_hiberfil_is_refused)
{
	struct temp t;
	uint8_t page[4096] = {0};
	temp_open(&t);
	fwrite(page, 1, sizeof(page), t.f);
	put_bytes(&t, 0, 0x6000, 0);
	memcpy(page, "\x81\x81xpress", 8);
	fwrite(page, 1, sizeof(page), t.f);
	open_fails(&t, VDS_ERROR_UNSUPPORTED, "hibernation");
	fseek(t.f, 0x7000, SEEK_SET);
	fputc(0, t.f);
	struct vds_image *image = open_ok(&t);
	ck_assert_str_eq(vds_image_format_name(image), "raw");
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(foreign_files_are_named_and_refused)
{
	struct temp t;
	struct vds_image *image;
	temp_open(&t);
	fwrite(foreign[_i].magic, 1, foreign[_i].len, t.f);
	put_bytes(&t, 0, 0x2000, 0);
	fflush(t.f);
	struct vds_error *err = vds_image_open(t.path, NULL, &image);
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(vds_error_exit_status(err->code), 4);
	ck_assert_msg(strstr(err->message, foreign[_i].part), "%s",
		      err->message);
	vds_error_destroy(err);
	temp_close(&t);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("image_vm");
	TCase *tc = tcase_create("image_vm");
	tcase_add_test(tc, elf_core_with_cpu_notes);
	tcase_add_test(tc, virtualbox_core);
	tcase_add_test(tc, elf32_core);
	tcase_add_test(tc, elf_core_cut_short);
	tcase_add_test(tc, cores_of_processes_are_refused);
	tcase_add_loop_test(tc, bad_elf_fields_are_named, 0,
			    (int)VDS_ARRAY_SIZE(bad_elf));
	tcase_add_loop_test(tc, vmem_with_its_state, 0, 2);
	tcase_add_test(tc, state_with_memory_inside);
	tcase_add_test(tc, vmem_alone_and_state_alone);
	tcase_add_loop_test(tc, bad_states_are_refused, 0, 5);
	tcase_add_test(tc, a_resumed_hiberfil_is_refused);
	tcase_add_loop_test(tc, foreign_files_are_named_and_refused, 0,
			    (int)VDS_ARRAY_SIZE(foreign));
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
