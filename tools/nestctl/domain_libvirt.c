// SPDX-License-Identifier: GPL-2.0-only
/*
 * Definitions of this kernel's domains.
 */
#include "autostart.h"
#include "libvirt_calls.h"
#include "nestctl.h"
#include "zero.h"

static virConnectPtr connection;

/* An error is reported where it is handled. */
static void ignore_error(void *data, virErrorPtr error)
{
	(void)data;
	(void)error;
}

/**
 * domain_open() - Connect to this kernel's libvirtd
 *
 * Return: 0, or -1 after a message.
 */
int domain_open(void)
{
	if (libvirt_load())
		return -1;
	lib.virSetErrorFunc(NULL, ignore_error);
	connection = lib.virConnectOpen(LIBVIRT_LOCAL);
	if (connection)
		return 0;
	complain("cannot connect to " LIBVIRT_LOCAL " (%s): does libvirtd run?  Use sudo",
		 lib.virGetLastErrorMessage());
	return -1;
}

/**
 * domain_xml() - A domain's definition, which is not that with which it runs
 * @name: of the domain
 *
 * Return: to be freed; NULL after a message.
 */
char *domain_xml(const char *name)
{
	virDomainPtr handle = lib.virDomainLookupByName(connection, name);
	char *xml;

	if (!handle) {
		complain("there is no domain '%s': virsh list --all has them", name);
		return NULL;
	}
	xml = lib.virDomainGetXMLDesc(handle, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
	if (!xml)
		complain("libvirt does not tell the definition of '%s': %s", name,
			 lib.virGetLastErrorMessage());
	lib.virDomainFree(handle);
	return xml;
}

/**
 * domain_define() - Define a domain anew
 * @xml: of it
 *
 * Return: 0, or -1 after a message.
 */
int domain_define(const char *xml)
{
	virDomainPtr handle = lib.virDomainDefineXML(connection, xml);

	if (!handle) {
		complain("libvirt does not take the new definition, and nothing was changed: %s",
			 lib.virGetLastErrorMessage());
		return -1;
	}
	lib.virDomainFree(handle);
	return 0;
}

/**
 * domain_release() - Domains that have moved here may start by themselves again
 *
 * Return: how many, or -1 after a message.
 */
int domain_release(void)
{
	return autostart_release(connection);
}

/**
 * domain_restore() - Define a domain, unless it is known
 * @uuid: of it
 * @name: of it
 * @xml: its definition
 * @off: it was off when it moved
 *
 * Return: 1 if it was not known, 0 if it was, or -1 after a message.
 */
int domain_restore(const char *uuid, const char *name, const char *xml, bool off)
{
	virDomainPtr handle = lib.virDomainLookupByUUIDString(connection, uuid);

	if (!handle && lib.virGetLastErrorCode() != VIR_ERR_NO_DOMAIN) {
		complain("libvirt does not say whether '%s' is here: %s", name,
			 lib.virGetLastErrorMessage());
		return -1;
	}
	if (handle) {
		lib.virDomainFree(handle);
		return 0;
	}
	if (domain_define(xml))
		return -1;
	if (off)
		complain("'%s', which was off, is defined here again", name);
	else
		complain("'%s' has ended with the other kernel: it is defined here again, start it with virsh start %s",
			 name, name);
	return 1;
}

/**
 * domain_is_back() - Is a domain here that had moved?
 * @uuid: of it
 * @name: of it
 * @xml: its definition
 * @off: it was off when it moved
 *
 * While a move is under way, or has been cut off, a domain is known on both sides, and runs on one.
 *
 * Return: 0 if it is, or -1.
 */
int domain_is_back(const char *uuid, const char *name, const char *xml, bool off)
{
	virDomainPtr handle = lib.virDomainLookupByUUIDString(connection, uuid);
	int status = handle && (off || lib.virDomainIsActive(handle) > 0) ? 0 : -1;

	(void)name;
	(void)xml;
	if (handle)
		lib.virDomainFree(handle);
	return status;
}

/**
 * domain_each() - Look at all domains, those that run and their definitions
 * @function: what is called for each
 * @data: for it
 *
 * Return: 0, or -1 after a message.
 */
int domain_each(void (*function)(const char *xml, void *data), void *data)
{
	static const unsigned int flags[] = { 0, VIR_DOMAIN_XML_INACTIVE };
	virDomainPtr *handles = NULL;
	int i, nr = lib.virConnectListAllDomains(connection, &handles, 0);
	size_t k;

	if (nr < 0) {
		complain("libvirt does not list its domains: %s", lib.virGetLastErrorMessage());
		return -1;
	}
	for (i = 0; i < nr; i++) {
		for (k = 0; k < ARRAY_SIZE(flags); k++) {
			autofree char *xml = lib.virDomainGetXMLDesc(handles[i], flags[k]);

			if (xml)
				function(xml, data);
		}
		lib.virDomainFree(handles[i]);
	}
	free(handles);
	return 0;
}
