// SPDX-License-Identifier: GPL-2.0-only
/*
 * A nestctl that was built without libvirt's headers (package libvirt-dev) moves no VMs, and says
 * so.
 */
#include "disks.h"
#include "move.h"
#include "nestctl.h"

int move_open(const struct move_options *options)
{
	(void)options;
	complain("this nestctl was built without libvirt: install libvirt-dev and build it again");
	return -1;
}

void move_close(void)
{
}

int move_list(struct move_domain **domains, size_t *nr)
{
	*domains = NULL;
	*nr = 0;
	return -1;
}

void move_watch(struct move_domain *domains, size_t nr)
{
	(void)domains;
	(void)nr;
}

void move_do(struct move_domain *domain, const struct move_options *options)
{
	(void)domain;
	(void)options;
}

void move_progress(struct move_domain *domain)
{
	(void)domain;
}

void move_abort(struct move_domain *domain)
{
	(void)domain;
}

int move_release(void)
{
	return -1;
}

int domain_open(void)
{
	complain("this nestctl was built without libvirt: install libvirt-dev and build it again");
	return -1;
}

char *domain_xml(const char *name)
{
	(void)name;
	return NULL;
}

int domain_define(const char *xml)
{
	(void)xml;
	return -1;
}

int domain_each(void (*function)(const char *xml, void *data), void *data)
{
	(void)function;
	(void)data;
	return -1;
}

int domain_release(void)
{
	return -1;
}

int domain_restore(const char *uuid, const char *name, const char *xml, bool off)
{
	(void)uuid;
	(void)name;
	(void)xml;
	(void)off;
	return -1;
}

int domain_is_back(const char *uuid, const char *name, const char *xml, bool off)
{
	return domain_restore(uuid, name, xml, off);
}

int disks_attach(unsigned int wait)
{
	(void)wait;
	return domain_open();
}

int disks_report(struct json_object *array)
{
	(void)array;
	return domain_open();
}

uint64_t move_now(void)
{
	return 0;
}
