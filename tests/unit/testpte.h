/* SPDX-License-Identifier: Apache-2.0 */
/* The PTE layouts of NT's two eras, as the symbols of real kernels have them. */
#ifndef VDS_TEST_TESTPTE_H
#define VDS_TEST_TESTPTE_H

#include "testprofile.h"

#define TESTPTE_BITS(type, name, pos, len) \
	{type, name, 0, pos, len, "unsigned long long"}

#define TESTPTE_TYPES							\
	{"_MMPTE_HARDWARE", 8}, {"_MMPTE_SOFTWARE", 8},			\
	{"_MMPTE_PROTOTYPE", 8}, {"_MMPTE_TRANSITION", 8},		\
	{"_MMPTE_SUBSECTION", 8}

/* 7601.17514: before the L1TF fix. */
#define TESTPTE_ERA_O							\
	TESTPTE_BITS("_MMPTE_HARDWARE", "PageFrameNumber", 12, 36),	\
	TESTPTE_BITS("_MMPTE_SOFTWARE", "PageFileLow", 1, 4),		\
	TESTPTE_BITS("_MMPTE_SOFTWARE", "Protection", 5, 5),		\
	TESTPTE_BITS("_MMPTE_SOFTWARE", "Prototype", 10, 1),		\
	TESTPTE_BITS("_MMPTE_SOFTWARE", "Transition", 11, 1),		\
	TESTPTE_BITS("_MMPTE_SOFTWARE", "PageFileHigh", 32, 32),	\
	TESTPTE_BITS("_MMPTE_PROTOTYPE", "ReadOnly", 8, 1),		\
	TESTPTE_BITS("_MMPTE_PROTOTYPE", "Protection", 11, 5),		\
	TESTPTE_BITS("_MMPTE_PROTOTYPE", "ProtoAddress", 16, 48),	\
	TESTPTE_BITS("_MMPTE_TRANSITION", "Protection", 5, 5),		\
	TESTPTE_BITS("_MMPTE_TRANSITION", "PageFrameNumber", 12, 36),	\
	TESTPTE_BITS("_MMPTE_SUBSECTION", "Protection", 5, 5),		\
	TESTPTE_BITS("_MMPTE_SUBSECTION", "SubsectionAddress", 16, 48)

/* 20348: after it, with 40 bits of frame. */
#define TESTPTE_ERA_N							\
	TESTPTE_BITS("_MMPTE_HARDWARE", "PageFrameNumber", 12, 40),	\
	TESTPTE_BITS("_MMPTE_SOFTWARE", "SwizzleBit", 4, 1),		\
	TESTPTE_BITS("_MMPTE_SOFTWARE", "Protection", 5, 5),		\
	TESTPTE_BITS("_MMPTE_SOFTWARE", "Prototype", 10, 1),		\
	TESTPTE_BITS("_MMPTE_SOFTWARE", "Transition", 11, 1),		\
	TESTPTE_BITS("_MMPTE_SOFTWARE", "PageFileLow", 12, 4),		\
	TESTPTE_BITS("_MMPTE_SOFTWARE", "PageFileHigh", 32, 32),	\
	TESTPTE_BITS("_MMPTE_PROTOTYPE", "ReadOnly", 3, 1),		\
	TESTPTE_BITS("_MMPTE_PROTOTYPE", "Protection", 5, 5),		\
	TESTPTE_BITS("_MMPTE_PROTOTYPE", "ProtoAddress", 16, 48),	\
	TESTPTE_BITS("_MMPTE_TRANSITION", "Protection", 5, 5),		\
	TESTPTE_BITS("_MMPTE_TRANSITION", "PageFrameNumber", 12, 40),	\
	TESTPTE_BITS("_MMPTE_SUBSECTION", "Protection", 5, 5),		\
	TESTPTE_BITS("_MMPTE_SUBSECTION", "SubsectionAddress", 16, 48)

#define TESTPTE_MASK_45 (UINT64_C(1) << 45)

#endif
