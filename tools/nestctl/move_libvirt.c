// SPDX-License-Identifier: GPL-2.0-only
/*
 * Domains move by libvirt, from daemon to daemon (peer to peer): a move goes on when nestctl dies.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "autostart.h"
#include "boot.h"
#include "disks_libvirt.h"
#include "kept.h"
#include "libvirt_calls.h"
#include "move.h"
#include "nestctl.h"

#define RETRY		(200 * 1000)
#define RETRIES_PER_S	5
#define ANSWER		15	/* seconds for a daemon that is there */

static struct {
	virConnectPtr here, there;
	pthread_mutex_t lock;
	struct move_domain *domains;
	size_t nr;
} moves = { .lock = PTHREAD_MUTEX_INITIALIZER };

/**
 * move_now() - What time is it
 *
 * Return: microseconds of a clock that never stops.
 */
uint64_t move_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ull + now.tv_nsec / 1000;
}

/* ---- both daemons */

static void *run_events(void *data)
{
	while (lib.virEventRunDefaultImpl() >= 0)
		;
	return data;
}

/* An error is reported where it is handled. */
static void ignore_error(void *data, virErrorPtr error)
{
	(void)data;
	(void)error;
}

/* The library waits for a kernel that hangs as long as TCP does, for minutes. */
static void no_answer(int number)
{
	static const char text[] =
		"nestctl: the other libvirtd does not answer: does it hang, is the link down?\n";

	(void)number;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) >= 0)
		_exit(EXIT_REFUSED);
	_exit(EXIT_UNKNOWN);
}

static int open_there(const struct move_options *options)
{
	unsigned int tries = options->wait * RETRIES_PER_S;

	while (!(moves.there = lib.virConnectOpen(options->uri))) {
		if (!tries--) {
			complain("cannot connect to %s (%s): does libvirtd listen there?",
				 options->uri, lib.virGetLastErrorMessage());
			return -1;
		}
		usleep(RETRY);
	}
	/* A dead peer is noticed in seconds. */
	lib.virConnectSetKeepAlive(moves.there, 1, 3);
	return 0;
}

/**
 * move_open() - Connect to the libvirtd of this kernel and to the other one
 * @options: say which that is
 *
 * Return: 0, or -1 after a message.
 */
int move_open(const struct move_options *options)
{
	pthread_t thread;

	if (libvirt_load())
		return -1;
	lib.virSetErrorFunc(NULL, ignore_error);
	if (lib.virEventRegisterDefaultImpl() < 0) {
		complain("libvirt has no event loop: %s", lib.virGetLastErrorMessage());
		return -1;
	}
	/* Nothing has been begun. */
	signal(SIGALRM, no_answer);
	alarm(options->wait + ANSWER);
	moves.here = lib.virConnectOpen(options->from ?: LIBVIRT_LOCAL);
	if (!moves.here) {
		complain("cannot connect to %s (%s): does libvirtd run?  Use sudo",
			 options->from ?: LIBVIRT_LOCAL, lib.virGetLastErrorMessage());
		return -1;
	}
	if (open_there(options))
		return -1;
	alarm(0);
	if (pthread_create(&thread, NULL, run_events, NULL)) {
		complain("no thread for libvirt's events: too many processes?");
		return -1;
	}
	pthread_detach(thread);
	return 0;
}

/**
 * move_close() - The opposite
 */
void move_close(void)
{
	if (moves.there)
		lib.virConnectClose(moves.there);
	if (moves.here)
		lib.virConnectClose(moves.here);
}

/* ---- domains */

/* The definition with which it runs. */
static bool is_pooled(struct move_domain *domain, virDomainPtr handle)
{
	autofree char *xml = lib.virDomainGetXMLDesc(handle, 0);

	return xml && zero_xml_find(xml, &domain->zero);
}

static void read_domain(struct move_domain *domain, virDomainPtr handle)
{
	virDomainInfo info = { 0 };
	int autostart = 0;

	memset(domain, 0, sizeof(*domain));
	domain->handle = handle;
	domain->name = text_of("%s", lib.virDomainGetName(handle));
	lib.virDomainGetInfo(handle, &info);
	domain->memory = info.maxMem;
	domain->active = lib.virDomainIsActive(handle) == 1;
	domain->persistent = lib.virDomainIsPersistent(handle) == 1;
	if (domain->persistent)
		lib.virDomainGetAutostart(handle, &autostart);
	domain->autostart = autostart;
	domain->snapshots = lib.virDomainSnapshotNum(handle, 0);
	domain->pooled = domain->active && is_pooled(domain, handle);
	if (!domain->active)
		return;
	domain->disks = calloc(1, sizeof(*domain->disks));
	if (!domain->disks)
		die(EXIT_UNKNOWN, "no memory");
	disks_of(handle, domain->disks);
}

/**
 * move_list() - All domains of this kernel
 * @domains: filled in
 * @nr: how many
 *
 * Return: 0, or -1 after a message.
 */
int move_list(struct move_domain **domains, size_t *nr)
{
	virDomainPtr *handles = NULL;
	int i, found = lib.virConnectListAllDomains(moves.here, &handles, 0);

	if (found < 0) {
		complain("libvirt does not list its domains: %s", lib.virGetLastErrorMessage());
		return -1;
	}
	*domains = calloc(found + 1, sizeof(**domains));
	if (!*domains)
		die(EXIT_UNKNOWN, "no memory");
	for (i = 0; i < found; i++)
		read_domain(*domains + i, handles[i]);
	*nr = found;
	free(handles);
	return 0;
}

/* ---- when it was paused here, and ran on there */

static void note_time(virDomainPtr handle, bool there)
{
	const char *name = lib.virDomainGetName(handle);
	uint64_t now = move_now();
	size_t i;

	pthread_mutex_lock(&moves.lock);
	for (i = 0; i < moves.nr; i++) {
		struct move_domain *domain = &moves.domains[i];

		if (domain->state != MOVE_MOVES || strcmp(domain->name, name))
			continue;
		if (there)
			domain->resumed = now;
		else
			domain->paused = now;
	}
	pthread_mutex_unlock(&moves.lock);
}

static int happened_here(virConnectPtr connection, virDomainPtr handle, int event, int detail,
			 void *data)
{
	(void)connection;
	(void)data;
	if (event == VIR_DOMAIN_EVENT_SUSPENDED && detail == VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED)
		note_time(handle, false);
	return 0;
}

static int happened_there(virConnectPtr connection, virDomainPtr handle, int event, int detail,
			  void *data)
{
	(void)connection;
	(void)data;
	if (event == VIR_DOMAIN_EVENT_RESUMED && detail == VIR_DOMAIN_EVENT_RESUMED_MIGRATED)
		note_time(handle, true);
	return 0;
}

/**
 * move_watch() - Note from now on when domains are paused and run on
 * @domains: those that move
 * @nr: how many
 */
void move_watch(struct move_domain *domains, size_t nr)
{
	moves.domains = domains;
	moves.nr = nr;
	lib.virConnectDomainEventRegisterAny(moves.here, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
					     VIR_DOMAIN_EVENT_CALLBACK(happened_here), NULL, NULL);
	lib.virConnectDomainEventRegisterAny(moves.there, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
					     VIR_DOMAIN_EVENT_CALLBACK(happened_there), NULL, NULL);
}

static void read_job(struct move_domain *domain, virDomainPtr handle, unsigned int flags)
{
	unsigned long long sent = 0, total = 0;
	virTypedParameterPtr params = NULL;
	int type, nr = 0;

	if (lib.virDomainGetJobStats(handle, &type, &params, &nr, flags) < 0)
		return;
	lib.virTypedParamsGetULLong(params, nr, VIR_DOMAIN_JOB_MEMORY_PROCESSED, &sent);
	lib.virTypedParamsGetULLong(params, nr, VIR_DOMAIN_JOB_MEMORY_TOTAL, &total);
	lib.virTypedParamsFree(params, nr);
	domain->ram = sent;
	domain->total = total;
}

/**
 * move_progress() - How far is it
 * @domain: one that moves; @ram and @total are filled in
 */
void move_progress(struct move_domain *domain)
{
	read_job(domain, domain->handle, 0);
}

/**
 * move_abort() - Let it stay, if that is possible still
 * @domain: one that moves
 */
void move_abort(struct move_domain *domain)
{
	lib.virDomainAbortJob(domain->handle);
}

/* ---- disks */

static struct disk *next_disk(const struct move_domain *domain, enum disk_kind kind, size_t *i)
{
	while (domain->disks && *i < domain->disks->nr)
		if (domain->disks->disk[(*i)++].kind == kind)
			return &domain->disks->disk[*i - 1];
	return NULL;
}

/* Before: what only this kernel has is served. */
static bool serve(struct move_domain *domain, const struct move_options *options)
{
	autofree char *address = NULL;
	struct disk *disk;
	size_t i = 0;

	while ((disk = next_disk(domain, DISK_LOCAL, &i))) {
		if (!address)
			address = disks_address(options->address);
		if (address && !disks_qcow2_room(disk) &&
		    !disks_serve(disk, domain->name, address))
			continue;
		domain->why = text_of("its disk %s cannot be served", disk->xml.target);
		return false;
	}
	return true;
}

/* Afterwards: who does not need its server any more has none. */
static void settle_disks(struct move_domain *domain)
{
	enum disk_kind kind = domain->state == MOVE_MOVED ? DISK_SERVED : DISK_LOCAL;
	struct disk *disk;
	size_t i = 0;

	if (domain->state == MOVE_UNKNOWN)
		return;
	while ((disk = next_disk(domain, kind, &i)))
		if (disk->export)
			disks_stop(disk->export);
}

/* It must not stay there, if one of its disks is served. */
static void set_lame(struct move_domain *domain)
{
	size_t i = 0;
	struct disk *disk = next_disk(domain, DISK_LOCAL, &i);

	if (!disk)
		return;
	domain->lame = true;
	if (!domain->why)
		domain->why = text_of("it would see errors of its disk %s when this kernel ends: move it back (nestctl move --from)",
				      disk->xml.target);
}

static void hold_disks(struct move_domain *domain, virDomainPtr other)
{
	struct disk *disk;
	size_t i = 0;

	while ((disk = next_disk(domain, DISK_LOCAL, &i)))
		if (disks_hold(other, disk))
			set_lame(domain);
}

/* libvirt takes a file for one that the other kernel does not reach. */
static bool has_files(const struct move_domain *domain)
{
	struct disk *disk;
	size_t i = 0;

	while ((disk = next_disk(domain, DISK_LOCAL, &i)))
		if (!strcmp(disk->xml.type, "file"))
			return true;
	return false;
}

/* ---- the move */

static unsigned int flags_of(const struct move_domain *domain)
{
	unsigned int flags = VIR_MIGRATE_PEER2PEER;

	if (has_files(domain))
		flags |= VIR_MIGRATE_UNSAFE;

	if (domain->persistent)
		flags |= VIR_MIGRATE_PERSIST_DEST | VIR_MIGRATE_UNDEFINE_SOURCE;
	if (!domain->active)
		return flags | VIR_MIGRATE_OFFLINE;
	flags |= VIR_MIGRATE_LIVE | VIR_MIGRATE_ABORT_ON_ERROR;
	/* Nothing that the guest writes has to be sent once more. */
	return domain->pooled ? flags : flags | VIR_MIGRATE_AUTO_CONVERGE;
}

/* Whether QEMU leaves out memory that the other side has. */
static bool ignore_shared(virDomainPtr handle, bool on)
{
	const char *command = on ? ZERO_CAPABILITY("true") : ZERO_CAPABILITY("false");
	char *answer = NULL;
	bool done = !lib.virDomainQemuMonitorCommand(handle, command, &answer, 0) && answer &&
		    !strstr(answer, "\"error\"");

	free(answer);
	return done;
}

/* Before: both kernels need the memory, and QEMU must not send it. */
static bool lend(struct move_domain *domain)
{
	int error = pool_lend(&domain->zero);

	if (error) {
		domain->why = text_of("its memory in the pool cannot be lent to the other kernel (%s): nestctl pool list and dmesg say more",
				      strerror(error));
		return false;
	}
	if (ignore_shared(domain->handle, true))
		return true;
	domain->why = text_of("QEMU does not leave its memory out: %s",
			      lib.virGetLastErrorMessage());
	pool_settle(&domain->zero, false);
	return false;
}

/* Afterwards: it is one kernel's again.  A saved image without memory would be no image. */
static void settle_memory(struct move_domain *domain)
{
	int error;

	if (domain->state == MOVE_UNKNOWN)
		return;
	if (domain->state == MOVE_STAYS && !ignore_shared(domain->handle, false))
		complain("'%s' still has x-ignore-shared: do not save it before its next start",
			 domain->name);
	error = pool_settle(&domain->zero, domain->state == MOVE_MOVED);
	if (error && !domain->why)
		domain->why = text_of("its memory is still lent (%s): nestctl pool list",
				      strerror(error));
}

/* NULL: it is not there, or @code says what that cannot be told for. */
static virDomainPtr look_there(const struct move_domain *domain, int *code)
{
	unsigned char uuid[VIR_UUID_BUFLEN];
	virDomainPtr other;

	*code = VIR_ERR_INTERNAL_ERROR;
	if (lib.virDomainGetUUID(domain->handle, uuid))
		return NULL;
	other = lib.virDomainLookupByUUID(moves.there, uuid);
	*code = other ? VIR_ERR_OK : lib.virGetLastErrorCode();
	return other;
}

/* A domain that is known there: QEMU pauses for what is sent to it, and runs on afterwards. */
enum there { THERE_WAITS, THERE_HAS_RUN, THERE_UNCLEAR };

static enum there look_at(virDomainPtr other)
{
	int state, reason;

	if (lib.virDomainGetState(other, &state, &reason, 0))
		return THERE_UNCLEAR;
	if (state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED)
		return THERE_HAS_RUN;
	if (state != VIR_DOMAIN_PAUSED)
		return THERE_UNCLEAR;
	switch (reason) {
	case VIR_DOMAIN_PAUSED_UNKNOWN:
	case VIR_DOMAIN_PAUSED_MIGRATION:
	case VIR_DOMAIN_PAUSED_STARTING_UP:
		return THERE_WAITS;
	}
	/* By an error of its disk, or by somebody. */
	return THERE_HAS_RUN;
}

/* What waits there for what does not come; the code of who looks for it afterwards. */
static int clear_there(const struct move_domain *domain, virDomainPtr other)
{
	int code;

	if (domain->active)
		lib.virDomainDestroy(other);
	lib.virDomainUndefine(other);
	other = look_there(domain, &code);
	if (other)
		lib.virDomainFree(other);
	return code;
}

static bool is_known_here(const struct move_domain *domain)
{
	unsigned char uuid[VIR_UUID_BUFLEN];
	virDomainPtr handle = lib.virDomainGetUUID(domain->handle, uuid) ? NULL :
		lib.virDomainLookupByUUID(moves.here, uuid);

	if (handle)
		lib.virDomainFree(handle);
	return handle;
}

/* A daemon that does not answer has not said so. */
static bool is_gone(const struct move_domain *domain)
{
	int active;

	if (!domain->active)
		return !is_known_here(domain);
	active = lib.virDomainIsActive(domain->handle);
	return active < 0 ? lib.virGetLastErrorCode() == VIR_ERR_NO_DOMAIN : !active;
}

/* @code: of who has looked for it there. */
static void settle_here(struct move_domain *domain, int code)
{
	int state, reason;

	domain->state = MOVE_STAYS;
	domain->gone = is_gone(domain);
	if (!domain->gone && (!domain->active ||
			      (!lib.virDomainGetState(domain->handle, &state, &reason, 0) &&
			       state != VIR_DOMAIN_PAUSED)))
		return;
	/* It may run there, for all that is known. */
	if (code != VIR_ERR_NO_DOMAIN ||
	    (!domain->gone && lib.virDomainResume(domain->handle)))
		domain->state = MOVE_UNKNOWN;
}

/*
 * The other daemon is asked first: a domain must not run twice, and of one that is gone from here
 * the only one is there.
 */
static void settle_failure(struct move_domain *domain)
{
	enum there what = THERE_WAITS;
	int code;
	virDomainPtr other = look_there(domain, &code);

	if (other && domain->active)
		what = look_at(other);
	if (other && (what == THERE_HAS_RUN || is_gone(domain))) {
		domain->state = MOVE_MOVED;
		hold_disks(domain, other);
	} else if (other && what == THERE_WAITS) {
		code = clear_there(domain, other);
	}
	if (other)
		lib.virDomainFree(other);
	if (domain->state != MOVE_MOVED)
		settle_here(domain, code);
	/* What is left here must not be run by anybody. */
	else if (lib.virDomainIsActive(domain->handle) == 1)
		lib.virDomainDestroy(domain->handle);
}

static void settle_success(struct move_domain *domain)
{
	int code;
	virDomainPtr other = look_there(domain, &code);

	domain->state = MOVE_MOVED;
	if (!other) {
		/* Nobody has told its QEMU there to wait for them. */
		set_lame(domain);
		return;
	}
	if (domain->active)
		read_job(domain, other, VIR_DOMAIN_JOB_STATS_COMPLETED);
	if (domain->pooled)
		ignore_shared(other, false);
	hold_disks(domain, other);
	lib.virDomainFree(other);
}

/* What is there after a move that has failed is the move's: nothing was there before. */
static bool may_move(struct move_domain *domain)
{
	int code;
	virDomainPtr other = look_there(domain, &code);

	if (!other && code == VIR_ERR_NO_DOMAIN)
		return true;
	domain->why = other ? text_of("it is known there already: undefine it there") :
		text_of("the other libvirtd does not answer: %s", lib.virGetLastErrorMessage());
	if (other)
		lib.virDomainFree(other);
	domain->state = MOVE_STAYS;
	return false;
}

/* Should this program end before the move does, its definition still says it. */
static bool mark(struct move_domain *domain)
{
	if (!domain->autostart || !autostart_mark(domain->handle))
		return true;
	domain->why = text_of("its definition cannot be changed: %s", lib.virGetLastErrorMessage());
	return false;
}

/*
 * As long as there is a way back, what the other kernel has is kept here, too, also of a domain
 * that is gone with its end: it tells that this one has begun to move.
 */
static bool keep(struct move_domain *domain, const struct move_options *options)
{
	char uuid[VIR_UUID_STRING_BUFLEN];
	autofree char *xml = NULL;

	/* By hand it may go to another machine. */
	if (!options->hold && (options->from || !part_runs()))
		return true;
	xml = lib.virDomainGetXMLDesc(domain->handle,
				      VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
	if (xml && !lib.virDomainGetUUIDString(domain->handle, uuid) &&
	    !kept_write(uuid, domain->name, xml, !domain->active))
		return true;
	domain->why = text_of("its definition cannot be kept");
	return false;
}

/* Back, or never gone: it is here. */
static void forget(const struct move_domain *domain, const struct move_options *options)
{
	char uuid[VIR_UUID_STRING_BUFLEN];

	/* What is kept may be all that is left of one that is not known here either. */
	if (domain->state == (options->from ? MOVE_MOVED : MOVE_STAYS) &&
	    (options->from || is_known_here(domain)) &&
	    !lib.virDomainGetUUIDString(domain->handle, uuid))
		kept_remove(uuid);
	if (domain->autostart && domain->state == MOVE_STAYS)
		autostart_unmark(domain->handle);
}

/**
 * move_release() - What has arrived with a mark may start by itself there
 *
 * Return: how many, or -1 after a message.
 */
int move_release(void)
{
	return autostart_release(moves.there);
}

static int migrate(struct move_domain *domain, const struct move_options *options)
{
	autofree char *xml = NULL;
	const struct disk *disk = domain->active ?
		disks_destination(domain->handle, domain->disks, &xml) : NULL;
	virTypedParameterPtr params = NULL;
	int nr = 0, room = 0, status;

	if (disk) {
		domain->why = text_of("its XML has changed meanwhile: its disk %s is not found there",
				      disk->xml.target);
		return -1;
	}
	status = lib.virTypedParamsAddString(&params, &nr, &room, VIR_MIGRATE_PARAM_URI,
					     options->address);
	if (!status && xml)
		status = lib.virTypedParamsAddString(&params, &nr, &room,
						     VIR_MIGRATE_PARAM_DEST_XML, xml);
	if (!status)
		status = lib.virDomainMigrateToURI3(domain->handle, options->uri, params, nr,
						    flags_of(domain));
	if (status)
		domain->why = text_of("%s", lib.virGetLastErrorMessage());
	lib.virTypedParamsFree(params, nr);
	return status;
}

/**
 * move_do() - Move a domain, and wait until that has ended
 * @domain: it; @state says how, and @why
 * @options: where to
 */
void move_do(struct move_domain *domain, const struct move_options *options)
{
	domain->began = move_now();
	domain->ended = domain->began;
	if (!may_move(domain))
		return;
	if (!mark(domain) || !keep(domain, options) || !serve(domain, options) ||
	    (domain->pooled && !lend(domain))) {
		domain->state = MOVE_STAYS;
		settle_disks(domain);
		forget(domain, options);
		return;
	}
	if (domain->active)
		lib.virDomainMigrateSetMaxDowntime(domain->handle, options->downtime, 0);
	if (migrate(domain, options))
		settle_failure(domain);
	else
		settle_success(domain);
	if (domain->pooled)
		settle_memory(domain);
	settle_disks(domain);
	forget(domain, options);
	domain->ended = move_now();
}
