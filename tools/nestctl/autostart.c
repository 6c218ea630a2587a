// SPDX-License-Identifier: GPL-2.0-only
/*
 * Autostart is no part of a definition, so libvirt does not move it.  A mark in the definition says
 * that the domain had it: that moves, and stays until somebody sets it again, whoever was killed
 * meanwhile.
 */
#include "autostart.h"
#include "nestctl.h"

#define URI	"urn:nestctl:autostart"
#define KEY	"nestctl"
#define MARK	"<autostart/>"

/**
 * autostart_mark() - Note in its definition that a domain starts by itself
 * @handle: the domain
 *
 * Return: 0, or -1: libvirt says why.
 */
int autostart_mark(virDomainPtr handle)
{
	return lib.virDomainSetMetadata(handle, VIR_DOMAIN_METADATA_ELEMENT, MARK, KEY, URI,
					VIR_DOMAIN_AFFECT_CONFIG);
}

/**
 * autostart_unmark() - The opposite
 * @handle: the domain
 */
void autostart_unmark(virDomainPtr handle)
{
	if (lib.virDomainSetMetadata(handle, VIR_DOMAIN_METADATA_ELEMENT, NULL, NULL, URI,
				     VIR_DOMAIN_AFFECT_CONFIG))
		complain("the definition of '%s' keeps a mark that it started by itself (%s): nestctl domain release takes it away",
			 lib.virDomainGetName(handle), lib.virGetLastErrorMessage());
}

/**
 * autostart_marked() - Is it noted?
 * @handle: a domain
 *
 * Return: true if it is.
 */
bool autostart_marked(virDomainPtr handle)
{
	autofree char *mark = lib.virDomainGetMetadata(handle, VIR_DOMAIN_METADATA_ELEMENT, URI,
						       VIR_DOMAIN_AFFECT_CONFIG);

	return mark;
}

/**
 * autostart_release() - Let those with a mark start by themselves again
 * @connection: to the daemon
 *
 * Return: how many, or -1 after a message.
 */
int autostart_release(virConnectPtr connection)
{
	virDomainPtr *handles = NULL;
	int i, released = 0, bad = 0;
	int nr = lib.virConnectListAllDomains(connection, &handles,
					      VIR_CONNECT_LIST_DOMAINS_PERSISTENT);

	if (nr < 0) {
		complain("libvirt does not list its domains: %s", lib.virGetLastErrorMessage());
		return -1;
	}
	for (i = 0; i < nr; i++) {
		if (!autostart_marked(handles[i])) {
			;
		} else if (lib.virDomainSetAutostart(handles[i], 1)) {
			complain("autostart of '%s' cannot be set (%s): nestctl domain release tries again",
				 lib.virDomainGetName(handles[i]), lib.virGetLastErrorMessage());
			bad++;
		} else {
			autostart_unmark(handles[i]);
			released++;
		}
		lib.virDomainFree(handles[i]);
	}
	free(handles);
	return bad ? -1 : released;
}
