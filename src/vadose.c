/* SPDX-License-Identifier: Apache-2.0 */
#include "vadose/main.h"

int main(int argc, char **argv)
{
	return vds_main(argc, argv);
}
