// SPDX-License-Identifier: GPL-2.0-only
/*
 * A libvirt.so.0 with two daemons that it makes up, for nestctl_move_test.py.
 *
 * FAKE_DOMAINS has NAME:KIB:FATE words; a FATE says what the move of that domain comes to:
 *   moves     it moves
 *   off       it does not run, starts by itself, and moves
 *   kept      the same, but it does not move
 *   came      it has come from elsewhere with a mark, and moves
 *   snapshot  it has a snapshot
 *   known     the other daemon knows it already
 *   refused   an error, it runs on here
 *   paused    an error, it is paused here, and not there
 *   left      the same, and there something of it is left
 *   arrived   an error after it has begun to run there
 *   lost      an error, it is paused here, the other daemon does not answer
 *   stuck     an error, it is paused here, what is left there does not go away
 *   mute      the same, and of what is there the other daemon does not say what it does
 *   halted    an error after it has arrived, and has been paused there by an error of its disk
 *   gone      an error, it is not here any more, and waits there
 *   away      an error, it is not here any more, the other daemon does not answer
 *   dead      an error, it is neither here nor there
 *   secret    it moves, but its XML is not told
 *   quiet     it moves, and then the other daemon does not answer
 *   hangs     it takes until it is aborted
 * FAKE_BACK has those that move back; what they are moved from is not qemu:///system.
 * FAKE_XML is a directory: NAME.xml is the XML of a domain, and what is defined becomes that.
 * It is libvirt-qemu.so.0, too.
 * What nestctl changes is written to the file FAKE_LOG, a call in a line.
 */
#include <libvirt/libvirt.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_DOMAINS 16

struct _virConnect {
	bool there;
};

struct _virDomain {
	char name[32], fate[32];
	unsigned long memory;
	bool exists_there, gone, aborted, paused, marked;
	struct _virDomain *other;
	struct _virConnect *connection;
};

static struct _virConnect here, there = { .there = true };
static struct _virDomain domains[MAX_DOMAINS], others[MAX_DOMAINS];
static int nr_domains, moving;
static bool lost;
static _Thread_local int last_error;
static _Thread_local const char *last_text = "no error";
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int fail(int code, const char *text)
{
	last_error = code;
	last_text = text;
	return -1;
}

static void note(const char *call, const char *name)
{
	FILE *log;

	pthread_mutex_lock(&lock);
	log = fopen(getenv("FAKE_LOG"), "a");
	fprintf(log, "%s %s\n", call, name);
	fclose(log);
	pthread_mutex_unlock(&lock);
}

static bool fate_is(virDomainPtr domain, const char *fate)
{
	return !strcmp(domain->fate, fate);
}

/* One of several, between blanks. */
static bool fate_in(virDomainPtr domain, const char *fates)
{
	size_t length = strlen(domain->fate);
	const char *at = fates;

	while ((at = strstr(at, domain->fate))) {
		if ((at == fates || at[-1] == ' ') && (!at[length] || at[length] == ' '))
			return true;
		at += length;
	}
	return false;
}

static void read_domains(const char *variable)
{
	char *copy = strdup(getenv(variable) ?: ""), *rest = copy, *word;

	while ((word = strsep(&rest, " "))) {
		struct _virDomain *domain = &domains[nr_domains], *other = &others[nr_domains];

		if (sscanf(word, "%31[^:]:%lu:%31s", domain->name, &domain->memory,
			   domain->fate) != 3)
			continue;
		*other = *domain;
		domain->other = other;
		domain->connection = &here;
		other->connection = &there;
		domain->exists_there = fate_is(domain, "known");
		domain->marked = fate_is(domain, "came");
		nr_domains++;
	}
	free(copy);
}

virConnectPtr virConnectOpen(const char *name)
{
	static bool opened;

	if (strstr(name, "silent"))
		pause();
	if (strstr(name, "nobody")) {
		fail(VIR_ERR_INTERNAL_ERROR, "no such host");
		return NULL;
	}
	if (opened)
		return &there;
	opened = true;
	read_domains(strcmp(name, "qemu:///system") ? "FAKE_BACK" : "FAKE_DOMAINS");
	return &here;
}

int virConnectClose(virConnectPtr connection)
{
	(void)connection;
	return 0;
}

int virConnectSetKeepAlive(virConnectPtr connection, int interval, unsigned int count)
{
	(void)connection;
	(void)interval;
	(void)count;
	return 0;
}

static virConnectDomainEventCallback watchers[2];

int virConnectDomainEventRegisterAny(virConnectPtr connection, virDomainPtr domain, int event,
				     virConnectDomainEventGenericCallback callback, void *data,
				     virFreeCallback free_data)
{
	(void)domain;
	(void)event;
	(void)data;
	(void)free_data;
	watchers[connection->there] = (virConnectDomainEventCallback)(void *)callback;
	return 0;
}

static void tell(virDomainPtr domain, int event, int detail)
{
	watchers[domain->connection->there](domain->connection, domain, event, detail, NULL);
}

int virConnectListAllDomains(virConnectPtr connection, virDomainPtr **list, unsigned int flags)
{
	int i, nr = 0;

	(void)flags;
	*list = calloc(nr_domains + 1, sizeof(**list));
	for (i = 0; i < nr_domains; i++)
		if (!connection->there)
			(*list)[nr++] = &domains[i];
		else if (domains[i].exists_there)
			(*list)[nr++] = &others[i];
	return nr;
}

int virDomainAbortJob(virDomainPtr domain)
{
	if (!domain->aborted)
		note("abort", domain->name);
	domain->aborted = true;
	return 0;
}

int virDomainDestroy(virDomainPtr domain)
{
	note("destroy", domain->name);
	if (fate_is(domain, "stuck"))
		return fail(VIR_ERR_RPC, "connection lost");
	if (domain->connection->there)
		domains[domain - others].exists_there = false;
	return 0;
}

int virDomainUndefine(virDomainPtr domain)
{
	note("undefine", domain->name);
	return 0;
}

int virDomainFree(virDomainPtr domain)
{
	(void)domain;
	return 0;
}

int virDomainGetAutostart(virDomainPtr domain, int *autostart)
{
	*autostart = fate_is(domain, "off") || fate_is(domain, "kept");
	return 0;
}

int virDomainSetAutostart(virDomainPtr domain, int autostart)
{
	note(autostart ? "autostart" : "no-autostart", domain->name);
	return 0;
}

/* Only nestctl's mark. */
int virDomainSetMetadata(virDomainPtr domain, int type, const char *metadata, const char *key,
			 const char *uri, unsigned int flags)
{
	(void)type;
	(void)key;
	(void)uri;
	(void)flags;
	note(metadata ? "mark" : "unmark", domain->name);
	domain->marked = metadata;
	return 0;
}

char *virDomainGetMetadata(virDomainPtr domain, int type, const char *uri, unsigned int flags)
{
	(void)type;
	(void)uri;
	(void)flags;
	return domain->marked ? strdup("<nestctl:autostart/>") : NULL;
}

int virDomainGetInfo(virDomainPtr domain, virDomainInfoPtr info)
{
	info->maxMem = domain->memory;
	return 0;
}

int virDomainGetJobStats(virDomainPtr domain, int *type, virTypedParameterPtr *params, int *nr,
			 unsigned int flags)
{
	(void)flags;
	*type = VIR_DOMAIN_JOB_UNBOUNDED;
	*params = (virTypedParameterPtr)domain;
	*nr = 1;
	return 0;
}

int virTypedParamsGetULLong(virTypedParameterPtr params, int nr, const char *name,
			    unsigned long long *value)
{
	(void)nr;
	*value = ((virDomainPtr)params)->memory * (strcmp(name, VIR_DOMAIN_JOB_MEMORY_TOTAL) ?
						   512 : 1024);
	return 1;
}

void virTypedParamsFree(virTypedParameterPtr params, int nr)
{
	(void)params;
	(void)nr;
}

int virTypedParamsAddString(virTypedParameterPtr *params, int *nr, int *room, const char *name,
			    const char *value)
{
	(void)params;
	(void)nr;
	(void)room;
	note(name, value);
	return 0;
}

const char *virDomainGetName(virDomainPtr domain)
{
	return domain->name;
}

int virDomainGetUUID(virDomainPtr domain, unsigned char *uuid)
{
	memset(uuid, 0, VIR_UUID_BUFLEN);
	uuid[0] = domain - domains;
	return 0;
}

int virDomainGetUUIDString(virDomainPtr domain, char *text)
{
	bool other = domain >= others && domain < others + MAX_DOMAINS;

	sprintf(text, "00000000-0000-4000-8000-%012x",
		(unsigned int)(domain - (other ? others : domains)));
	return 0;
}

/* Here, as far as it has not been taken to be gone: FAKE_GONE has names. */
virDomainPtr virDomainLookupByUUIDString(virConnectPtr connection, const char *uuid)
{
	struct _virDomain *domain = &domains[strtoul(uuid + 24, NULL, 16) % MAX_DOMAINS];

	(void)connection;
	if (!strstr(getenv("FAKE_GONE") ?: "", domain->name))
		return domain;
	fail(VIR_ERR_NO_DOMAIN, "no domain");
	return NULL;
}

virDomainPtr virDomainLookupByUUID(virConnectPtr connection, const unsigned char *uuid)
{
	struct _virDomain *domain = &domains[uuid[0]];

	if (connection->there && lost) {
		fail(VIR_ERR_RPC, "connection lost");
		return NULL;
	}
	if (!connection->there && !domain->gone)
		return domain;
	if (connection->there && domain->exists_there)
		return domain->other;
	fail(VIR_ERR_NO_DOMAIN, "no domain");
	return NULL;
}

int virDomainGetState(virDomainPtr domain, int *state, int *reason, unsigned int flags)
{
	(void)flags;
	if (domain->connection->there && fate_is(domain, "mute"))
		return fail(VIR_ERR_OPERATION_TIMEOUT, "cannot acquire state change lock");
	*reason = fate_is(domain, "halted") ? VIR_DOMAIN_PAUSED_IOERROR :
					      VIR_DOMAIN_PAUSED_MIGRATION;
	*state = domain->gone ? VIR_DOMAIN_SHUTOFF :
		 domain->paused ? VIR_DOMAIN_PAUSED : VIR_DOMAIN_RUNNING;
	return 0;
}

int virDomainIsActive(virDomainPtr domain)
{
	if (domain->gone && fate_is(domain, "gone"))
		return fail(VIR_ERR_NO_DOMAIN, "no domain");
	return !fate_is(domain, "off") && !fate_is(domain, "kept") && !domain->gone;
}

int virDomainIsPersistent(virDomainPtr domain)
{
	(void)domain;
	return 1;
}

int virDomainSnapshotNum(virDomainPtr domain, unsigned int flags)
{
	(void)flags;
	return fate_is(domain, "snapshot");
}

int virDomainMigrateSetMaxDowntime(virDomainPtr domain, unsigned long long downtime,
				   unsigned int flags)
{
	char text[64];

	(void)flags;
	snprintf(text, sizeof(text), "downtime %llu", downtime);
	note(text, domain->name);
	return 0;
}

int virDomainResume(virDomainPtr domain)
{
	note("resume", domain->name);
	domain->paused = false;
	return 0;
}

static void arrive(virDomainPtr domain)
{
	tell(domain, VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED);
	domain->exists_there = true;
	usleep(20000);
	tell(domain->other, VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_MIGRATED);
}

static int come_to(virDomainPtr domain)
{
	if (fate_is(domain, "hangs"))
		while (!domain->aborted)
			usleep(1000);
	if (domain->aborted)
		return fail(VIR_ERR_OPERATION_ABORTED, "aborted");
	domain->paused = fate_in(domain, "paused lost left stuck mute halted");
	domain->gone = fate_in(domain, "gone away dead");
	domain->exists_there = fate_in(domain, "left stuck mute halted gone");
	domain->other->paused = true;
	lost = fate_in(domain, "lost away quiet");
	if (domain->paused || domain->gone || fate_in(domain, "refused kept"))
		return fail(VIR_ERR_OPERATION_FAILED, "broken on the way");
	domain->other->paused = false;
	domain->other->marked = domain->marked;
	if (fate_is(domain, "off"))
		domain->exists_there = true;
	else
		arrive(domain);
	return fate_is(domain, "arrived") ? fail(VIR_ERR_RPC, "connection lost at its end") : 0;
}

int virDomainMigrateToURI3(virDomainPtr domain, const char *uri, virTypedParameterPtr params,
			   unsigned int nr, unsigned int flags)
{
	char text[96];
	int status;

	(void)params;
	(void)nr;
	pthread_mutex_lock(&lock);
	moving++;
	pthread_mutex_unlock(&lock);
	usleep(50000);
	snprintf(text, sizeof(text), "migrate %s %#x %d", uri, flags, moving);
	note(text, domain->name);
	status = come_to(domain);
	pthread_mutex_lock(&lock);
	moving--;
	pthread_mutex_unlock(&lock);
	return status;
}

int virEventRegisterDefaultImpl(void)
{
	return 0;
}

int virEventRunDefaultImpl(void)
{
	usleep(1000);
	return 0;
}

int virGetLastErrorCode(void)
{
	return last_error;
}

const char *virGetLastErrorMessage(void)
{
	return last_text;
}

void virSetErrorFunc(void *data, virErrorFunc handler)
{
	(void)data;
	(void)handler;
}

/* ---- definitions, QEMU's monitor */

static FILE *open_xml(const char *name, const char *mode)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s.xml", getenv("FAKE_XML") ?: ".", name);
	return fopen(path, mode);
}

char *virDomainGetXMLDesc(virDomainPtr domain, unsigned int flags)
{
	FILE *file = open_xml(domain->name, "r");
	char *xml = calloc(1, 1 << 16);

	(void)flags;
	if (fate_is(domain, "secret")) {
		fail(VIR_ERR_RPC, "connection lost");
		return NULL;
	}
	if (!file)
		return strcpy(xml, "<domain type='kvm'/>");
	if (!fread(xml, 1, (1 << 16) - 1, file))
		xml[0] = 0;
	fclose(file);
	return xml;
}

virDomainPtr virDomainLookupByName(virConnectPtr connection, const char *name)
{
	int i;

	(void)connection;
	for (i = 0; i < nr_domains; i++)
		if (!strcmp(domains[i].name, name))
			return &domains[i];
	return NULL;
}

virDomainPtr virDomainDefineXML(virConnectPtr connection, const char *xml)
{
	const char *at = strstr(xml, "<name>");
	char name[32] = "";
	FILE *file;

	(void)connection;
	if (!at || sscanf(at, "<name>%31[^<]", name) != 1)
		return NULL;
	note("define", name);
	file = open_xml(name, "w");
	fputs(xml, file);
	fclose(file);
	return virDomainLookupByName(connection, name);
}

/* Only what nestctl asks for. */
int virDomainQemuMonitorCommand(virDomainPtr domain, const char *command, char **result,
				unsigned int flags)
{
	(void)flags;
	if (!strstr(command, "\"migrate-set-capabilities\"") ||
	    !strstr(command, "\"x-ignore-shared\""))
		return fail(VIR_ERR_INTERNAL_ERROR, "unknown command");
	note(strstr(command, "true") ? "ignore-shared" : "send-all",
	     domain->connection->there ? "there" : "here");
	*result = strdup(fate_is(domain, "deaf") ? "{\"error\":{}}" : "{\"return\":{}}");
	return 0;
}

/* Asked for QEMU's nodes: the file NAME.nodes of FAKE_XML, or none.  They can be exchanged. */
int virDomainQemuMonitorCommandWithFiles(virDomainPtr domain, const char *command,
					 unsigned int nr, int *files, unsigned int *nr_out,
					 int **files_out, char **result, unsigned int flags)
{
	char path[256], *nodes;
	FILE *file;

	(void)nr;
	(void)files;
	(void)nr_out;
	(void)files_out;
	(void)flags;
	if (strstr(command, "\"blockdev-")) {
		note("monitor", command);
		*result = strdup("{\"return\":{}}");
		return 0;
	}
	if (!strstr(command, "\"query-named-block-nodes\""))
		return fail(VIR_ERR_INTERNAL_ERROR, "unknown command");
	nodes = calloc(1, 1 << 12);
	strcpy(nodes, "{\"return\":[]}");
	snprintf(path, sizeof(path), "%s/%s.nodes", getenv("FAKE_XML") ?: ".", domain->name);
	file = fopen(path, "r");
	if (file) {
		nodes[fread(nodes, 1, (1 << 12) - 1, file)] = 0;
		fclose(file);
	}
	*result = nodes;
	return 0;
}
