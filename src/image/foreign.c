/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are recognised by name and refused, with what to do about it:
 * better than reading them as raw memory and finding nothing.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "image/format.h"

struct foreign {
	uint16_t at;
	uint8_t len;
	const char *magic;
	/* UNSUPPORTED: memory is in there. NOT_AN_IMAGE: it isn't. */
	enum vds_error_code code;
	const char *message;
};

/* Where the first compressed block must be, to be looked for. */
#define HIBERFIL_PAGES 64

#define MAGIC(at, s) at, sizeof(s) - 1, s

#define KDUMP "a Linux kdump (makedumpfile) file, which is not supported: dump again without compression (virsh dump --memory-only --format elf, or dump-guest-memory without -z, -l, -s)"
#define HIBERFIL "a Windows hibernation file, which is not supported: convert it to raw first (e.g. Hibr2Bin)"
#define DISK "a disk image, not a memory image"
#define PACKED "which is not unpacked here: unpack it and give the image inside"

static const struct foreign known[] = {
	{MAGIC(0, "KDUMP   "), VDS_ERROR_UNSUPPORTED, KDUMP},
	{MAGIC(0, "DISKDUMP"), VDS_ERROR_UNSUPPORTED, KDUMP},
	{MAGIC(0, "makedumpfile\0"), VDS_ERROR_UNSUPPORTED, KDUMP},
	{MAGIC(0, "HIBR"), VDS_ERROR_UNSUPPORTED, HIBERFIL},
	{MAGIC(0, "hibr"), VDS_ERROR_UNSUPPORTED, HIBERFIL},
	{MAGIC(0, "WAKE"), VDS_ERROR_UNSUPPORTED, HIBERFIL},
	{MAGIC(0, "wake"), VDS_ERROR_UNSUPPORTED, HIBERFIL},
	{MAGIC(0, "RSTR"), VDS_ERROR_UNSUPPORTED, HIBERFIL},
	{MAGIC(0, "HORM"), VDS_ERROR_UNSUPPORTED, HIBERFIL},
	{MAGIC(0, "QEVM"), VDS_ERROR_UNSUPPORTED,
	 "a QEMU migration or savevm stream, which is not supported: use dump-guest-memory"},
	{MAGIC(0, "LibvirtQemudSave"), VDS_ERROR_UNSUPPORTED,
	 "a libvirt save file, which is not supported: use virsh dump --memory-only --format elf"},
	{MAGIC(0, "\x7fVirtualBox SavedState V"), VDS_ERROR_UNSUPPORTED,
	 "a VirtualBox saved state, which is not supported: use VBoxManage debugvm VM dumpvmcore"},
	{MAGIC(0, "EVF\x09\x0d\x0a\xff\x00"), VDS_ERROR_NOT_AN_IMAGE,
	 "an EWF (EnCase) file: " DISK "; if memory was acquired into it, export it as raw (ewfexport)"},
	{MAGIC(0, "EVF2\x0d\x0a\x81"), VDS_ERROR_NOT_AN_IMAGE,
	 "an EWF2 (EnCase) file: " DISK "; if memory was acquired into it, export it as raw"},
	{MAGIC(0, "MDMP"), VDS_ERROR_NOT_AN_IMAGE,
	 "a minidump of one process (MDMP), not a memory image of the system"},
	{MAGIC(0, "conectix"), VDS_ERROR_NOT_AN_IMAGE, "VHD: " DISK},
	{MAGIC(0, "vhdxfile"), VDS_ERROR_NOT_AN_IMAGE, "VHDX: " DISK},
	{MAGIC(0, "QFI\xfb"), VDS_ERROR_NOT_AN_IMAGE, "qcow: " DISK},
	{MAGIC(0, "KDMV"), VDS_ERROR_NOT_AN_IMAGE, "VMDK: " DISK},
	{MAGIC(0, "# Disk DescriptorFile"), VDS_ERROR_NOT_AN_IMAGE,
	 "VMDK descriptor: " DISK},
	{MAGIC(0x40, "\x7f\x10\xda\xbe"), VDS_ERROR_NOT_AN_IMAGE,
	 "VDI: " DISK},
	{MAGIC(0, "PK\x03\x04"), VDS_ERROR_NOT_AN_IMAGE,
	 "a zip archive, " PACKED},
	{MAGIC(0, "7z\xbc\xaf\x27\x1c"), VDS_ERROR_NOT_AN_IMAGE,
	 "a 7z archive, " PACKED},
	{MAGIC(0, "Rar!\x1a\x07"), VDS_ERROR_NOT_AN_IMAGE,
	 "a RAR archive, " PACKED},
	{MAGIC(0, "\xfd" "7zXZ\0"), VDS_ERROR_NOT_AN_IMAGE,
	 "an xz file, " PACKED " (xz -d)"},
	{MAGIC(0, "\x28\xb5\x2f\xfd"), VDS_ERROR_NOT_AN_IMAGE,
	 "a zstd file, " PACKED " (zstd -d)"},
	{MAGIC(0, "\x04\x22\x4d\x18"), VDS_ERROR_NOT_AN_IMAGE,
	 "an lz4 file, " PACKED " (lz4 -d)"},
	{MAGIC(0, "\xff\x06\x00\x00S2sTwO"), VDS_ERROR_UNSUPPORTED,
	 "an S2 stream (go-winpmem --compression s2), " PACKED " (s2d)"},
	{MAGIC(0, "BZh"), VDS_ERROR_NOT_AN_IMAGE,
	 "a bzip2 file, " PACKED " (bzip2 -d)"},
	{MAGIC(0, "\x1f\x9d"), VDS_ERROR_NOT_AN_IMAGE,
	 "a file by compress, " PACKED " (uncompress)"},
	{MAGIC(0, "MSCF\0\0\0\0"), VDS_ERROR_NOT_AN_IMAGE,
	 "a cabinet, " PACKED " (cabextract)"},
	{MAGIC(0x101, "ustar"), VDS_ERROR_NOT_AN_IMAGE,
	 "a tar archive, " PACKED " (tar -x)"},
	{MAGIC(0, "HPAK"), VDS_ERROR_UNSUPPORTED,
	 "an HPAK file (FDPro), which is not supported: extract the memory section first"},
	{MAGIC(0, "ADSEGMENTEDFILE\0"), VDS_ERROR_NOT_AN_IMAGE,
	 "an AD1 file (FTK): files of a logical image; export the memory dump in it"},
	{MAGIC(0, "LVF\x09\x0d\x0a\xff\x00"), VDS_ERROR_NOT_AN_IMAGE,
	 "a logical evidence file (EnCase); export the memory dump in it"},
	{MAGIC(0, "AFF10\x0d\x0a\0"), VDS_ERROR_NOT_AN_IMAGE,
	 "an AFF file of version 1: " DISK "; if memory was acquired into it, export it as raw (affconvert)"},
	{MAGIC(0, "\xcf\xfa\xed\xfe"), VDS_ERROR_UNSUPPORTED,
	 "a Mach-O file, which is not supported: acquire again as raw, ELF or AFF4"},
	{MAGIC(3, "NTFS    "), VDS_ERROR_NOT_AN_IMAGE, "an NTFS volume: " DISK},
	{MAGIC(0, "regf"), VDS_ERROR_NOT_AN_IMAGE,
	 "a registry hive, not a memory image"},
	{MAGIC(0, "Microsoft C/C++ MSF"), VDS_ERROR_NOT_AN_IMAGE,
	 "a PDB (symbols), not a memory image: see vadose profile from-pdb"},
};

/*
 * Windows before 8 overwrites the first page of hiberfil.sys with zeros when it
 * resumes; compressed blocks follow (libyal's libhibr, documentation).
 */
static bool is_resumed_hiberfil(const struct vds_file *file,
				const uint8_t *head, size_t len)
{
	static const char block[] = "\x81\x81xpress";
	uint8_t page[VDS_PAGE_SIZE];
	if (len < VDS_PAGE_SIZE || head[0] || memcmp(head, head + 1, len - 1))
		return false;
	for (uint64_t at = 1; at < HIBERFIL_PAGES; at++) {
		size_t n = vds_file_pread(file, at << VDS_PAGE_SHIFT, page,
					  sizeof(page));
		if (n < sizeof(page))
			return false;
		if (!memcmp(page, block, sizeof(block) - 1))
			return true;
	}
	return false;
}

static const struct foreign resumed = {
	.code = VDS_ERROR_UNSUPPORTED,
	.message = HIBERFIL,
};

static const struct foreign *recognise(const uint8_t *head, size_t len)
{
	for (size_t i = 0; i < VDS_ARRAY_SIZE(known); i++) {
		const struct foreign *f = &known[i];
		if (vds_fits(f->at, f->len, len) &&
		    !memcmp(head + f->at, f->magic, f->len))
			return f;
	}
	return NULL;
}

static bool foreign_probe(const struct vds_file *file, const uint8_t *head,
			  size_t len)
{
	return recognise(head, len) || is_resumed_hiberfil(file, head, len);
}

static struct vds_error *foreign_open(struct vds_image *image)
{
	uint8_t head[VDS_PAGE_SIZE];
	size_t len = vds_file_pread(image->file, 0, head, sizeof(head));
	const struct foreign *f = recognise(head, len);
	if (!f && is_resumed_hiberfil(image->file, head, len))
		f = &resumed;
	if (!f)
		return vds_error_create(VDS_ERROR_NOT_MINE, "unknown");
	return vds_error_create(f->code, "%s", f->message);
}

const struct vds_image_format vds_format_foreign = {
	.name = "foreign",
	.summary = "recognised and refused: kdump, hiberfil, EWF, disk images, archives",
	.probe = foreign_probe,
	.open = foreign_open,
};
