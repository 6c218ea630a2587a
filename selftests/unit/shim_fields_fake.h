/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instructions that read and write fields, on what field() of the test says is the place of one
 * in the current VMCS.
 */
#ifndef SHIM_FIELDS_FAKE_H
#define SHIM_FIELDS_FAKE_H

static u64 *field(u64 number);

u64 vmread(u64 number)
{
	return *field(number);
}

void vmread_to(u64 *value, u64 number)
{
	*value = *field(number);
}

int vmread_checked(u64 number, u64 *value)
{
	*value = *field(number);
	return VMX_SUCCEED;
}

void vmwrite(u64 number, u64 value)
{
	*field(number) = value;
}

int vmwrite_checked(u64 number, u64 value)
{
	*field(number) = value;
	return VMX_SUCCEED;
}

#endif /* SHIM_FIELDS_FAKE_H */
