// SPDX-License-Identifier: GPL-2.0-only
/*
 * The checks of nestctl doctor, one function each.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bases.h"
#include "doctor.h"
#include "nestctl.h"

#define SECURE_BOOT \
	"/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define MSR_FEATURE_CONTROL	0x3a
#define FEATURE_LOCKED		0x1
#define FEATURE_VMX		0x4

#define finding(kind, cure_text, ...)						\
	((struct finding){ .state = (kind), .text = text_of(__VA_ARGS__),	\
			   .cure = copy_of(cure_text) })
#define fine(...)		finding(FINE, NULL, __VA_ARGS__)
#define missing(cure, ...)	finding(MISSING, cure, __VA_ARGS__)
#define unclear(cure, ...)	finding(UNCLEAR, cure, __VA_ARGS__)

static char *copy_of(const char *text)
{
	return text ? text_of("%s", text) : NULL;
}

/* Is there this word in the first line of /proc/cpuinfo that begins with key? */
static bool cpu_line_has(const char *info, const char *key, const char *word, bool *known)
{
	size_t n = strlen(key), size = strlen(word);
	const char *line, *end, *at;

	*known = false;
	for (line = info; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (!strncmp(line, key, n) && (line[n] == '\t' || line[n] == ' ' || line[n] == ':'))
			break;
	if (!line)
		return false;
	*known = true;
	end = strchrnul(line, '\n');
	for (at = line; (at = strstr(at, word)) && at < end; at += size)
		if ((at[-1] == ' ' || at[-1] == '\t') &&
		    (at[size] == ' ' || at[size] == '\n' || !at[size]))
			return true;
	return false;
}

static struct finding no_vmx(const char *info)
{
	bool known, guest = cpu_line_has(info, "flags", "hypervisor", &known);
	uint64_t value;

	if (read_at(&value, MSR_FEATURE_CONTROL, "/dev/cpu/0/msr")) {
		if (guest)
			return missing("on the host below: nested=1 for kvm_intel, and offer vmx to this VM (<cpu mode='host-passthrough'/>)",
				       "this is a VM, and its CPU offers no VMX");
		return unclear("ask again as root after 'modprobe msr', or look for VMX (Intel Virtualization Technology) in the firmware's setup",
			       "the kernel sees no VMX; whether the firmware has locked it off could not be read (/dev/cpu/0/msr: %s)",
			       strerror(errno));
	}
	if (value & FEATURE_LOCKED && !(value & FEATURE_VMX))
		return missing("switch VMX (Intel Virtualization Technology) on in the firmware's setup, then power the machine off and on",
			       "the firmware has locked VMX off (IA32_FEATURE_CONTROL is %#llx)",
			       (unsigned long long)value);
	return missing("use another machine", "the CPU has no VMX");
}

struct finding check_vmx(void)
{
	autofree char *info = read_text("/proc/cpuinfo");
	bool known;

	if (!info)
		return unclear("mount /proc", "/proc/cpuinfo cannot be read: %s", strerror(errno));
	if (!strstr(info, "GenuineIntel"))
		return missing("use a machine with an Intel CPU; the distribution's kvm-amd is not touched",
			       "the CPU is not Intel's: nvx and the shim are for VMX");
	if (!cpu_line_has(info, "flags", "vmx", &known))
		return no_vmx(info);
	return fine("the CPU has VMX, and the firmware has not locked it off");
}

struct finding check_ept(void)
{
	static const char *const words[] = { "ept", "vpid", "ept_1gb", "invvpid" };
	autofree char *info = read_text("/proc/cpuinfo");
	autofree char *lacks = text_of("%s", "");
	bool known = false;
	size_t i;

	for (i = 0; info && i < ARRAY_SIZE(words); i++) {
		if (!cpu_line_has(info, "vmx flags", words[i], &known)) {
			char *longer = text_of("%s %s", lacks, words[i]);

			free(lacks);
			lacks = longer;
		}
	}
	if (!known)
		return unclear("ask where the kernel sees VMX (check vmx)",
			       "/proc/cpuinfo has no line 'vmx flags'");
	if (*lacks)
		return missing("use a newer CPU, or (in a VM) have the host below offer them; nvx works with ept and vpid alone",
			       "the CPU's VMX lacks:%s", lacks);
	return fine("EPT and VPID with 1 GiB pages");
}

/* nested=0 in the configuration, for a module that is not loaded. */
static bool nested_configured_off(void)
{
	struct dirent **entries;
	autofree char *words = read_text("/proc/cmdline");
	int i, nr = list(&entries, "/etc/modprobe.d");
	bool off = words && (strstr(words, "kvm_intel.nested=0") ||
			     strstr(words, "kvm-intel.nested=0"));

	for (i = 0; i < nr; i++) {
		autofree char *text = read_text("/etc/modprobe.d/%s", entries[i]->d_name);
		char *line, *rest = text;

		while ((line = strsep(&rest, "\n")))
			off |= !strncmp(line, "options", 7) && strstr(line, "intel") &&
			       (strstr(line, "nested=0") || strstr(line, "nested=N"));
	}
	free_list(entries, nr);
	return off;
}

struct finding check_nested(void)
{
	static const char cure[] =
		"remove nested=0 from /etc/modprobe.d and the command line, and load kvm_intel";
	autofree char *value = read_text("/sys/module/kvm_intel/parameters/nested");

	if (value && param_equal(value, "Y"))
		return fine("VMs are offered VMX (nested=Y)");
	if (value)
		return missing(cure, "VMs are not offered VMX (nested=%s)", printable(value));
	if (nested_configured_off())
		return missing(cure, "kvm_intel is not loaded, and would not offer VMX to VMs (nested=0)");
	return fine("kvm_intel is not loaded; it will offer VMX to VMs, its default");
}

/*
 * KVM tells a VM that all of its CPUs may extrapolate one clock (PVCLOCK_TSC_STABLE_BIT)
 * only where its own kernel's clock is the TSC, or Hyper-V's page: gtod_is_based_on_tsc() of
 * KVM.  Else the vDSO of the VM's kernel makes a system call of each clock_gettime().
 */
struct finding check_clock(void)
{
	static const char file[] =
		"/sys/devices/system/clocksource/clocksource0/current_clocksource";
	autofree char *name = read_text(file);

	if (!name)
		return unclear("mount /sys", "%s cannot be read: %s", file, strerror(errno));
	if (!strcmp(name, "tsc") || !strcmp(name, "hyperv_clocksource_tsc_page"))
		return fine("this kernel's clock is the TSC: programs in its VMs read theirs without a system call");
	if (!strcmp(name, "kvm-clock"))
		return fine("this kernel is a guest with KVM's clock, so programs in its VMs read theirs by system calls: the feature invtsc on the host below gives it the TSC (Documentation/libvirt.rst)");
	return fine("this kernel's clock is %s, not the TSC, so programs in its VMs read theirs by system calls: its log says what it has against the TSC",
		    printable(name));
}

/* 1 on, 0 off, -1 cannot be read. */
static int secure_boot(void)
{
	autofree char *data = NULL;
	size_t size;

	if (!exists("/sys/firmware/efi"))
		return 0;
	data = read_data(&size, SECURE_BOOT);
	return data && size >= 5 ? data[4] == 1 : -1;
}

/* The word in brackets of the lockdown file, NULL if there is no such file. */
static char *lockdown_mode(void)
{
	autofree char *text = read_text("/sys/kernel/security/lockdown");
	const char *open = text ? strchr(text, '[') : NULL;

	return open ? printable(text_of("%.*s", (int)strcspn(open + 1, "]"), open + 1)) : NULL;
}

struct finding check_lockdown(void)
{
	static const char cure[] =
		"switch Secure Boot off in the firmware's setup, or boot without lockdown=";
	autofree char *mode = lockdown_mode();
	int secure = secure_boot();
	const char *boot = secure > 0 ? "Secure Boot is on" : secure < 0 ?
			   "Secure Boot is not known" : "Secure Boot is off";

	if (mode && !strcmp(mode, "none"))
		return fine("the kernel is not locked down; %s", boot);
	if (mode)
		return missing(cure, "the kernel is locked down (%s), nothing may be put below it; %s",
			       mode, boot);
	if (secure)
		return unclear("ask as root, with securityfs mounted on /sys/kernel/security",
			       "whether the kernel is locked down could not be read; %s", boot);
	return fine("the kernel has no lockdown; %s", boot);
}

/**
 * signatures_enforced() - Does the kernel take signed modules only?
 *
 * Return: true if it does.
 */
bool signatures_enforced(void)
{
	autofree char *value = read_text("/sys/module/module/parameters/sig_enforce");
	autofree char *mode = lockdown_mode();

	return (value && param_equal(value, "Y")) || (mode && strcmp(mode, "none"));
}

struct finding check_signatures(void)
{
	autofree char *release = kernel_release();
	autofree char *path = module_path(release, "kvm-intel", true);
	struct module_file file;
	bool bad, is_signed;

	if (!signatures_enforced())
		return fine("the kernel loads modules without a signature, too");
	if (nvx_loaded())
		return fine("the kernel wants signed modules, and has taken nvx");
	if (!path)
		return unclear("install the modules, see check modules",
			       "the kernel loads signed modules only, and nvx is not installed");
	bad = module_read(&file, path);
	is_signed = file.is_signed;
	module_free(&file);
	if (bad)
		return unclear("install the modules anew", "%s cannot be read", path);
	if (!is_signed)
		return missing("sign kvm.ko, kvm-intel.ko and vmm-refresh.ko with a key that the kernel trusts (mokutil --import, /usr/lib/linux-kbuild-*/scripts/sign-file)",
			       "the kernel loads signed modules only, and %s has no signature",
			       path);
	return unclear("try it: nestctl reports what the kernel says; mokutil --list-enrolled shows its keys",
		       "%s is signed; whether the kernel trusts that key is seen when it is loaded",
		       path);
}

struct finding check_kernel(void)
{
	static const char *const bases[] = {
#define X(base, package, version) base,
		NESTCTL_BASES(X)
#undef X
	};
	autofree char *release = kernel_release();
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		n = strlen(bases[i]);
		if (!strncmp(release, bases[i], n) && (release[n] == '.' || release[n] == '-'))
			return fine("kernel %s is of the series %s, which nvx knows", release,
				    bases[i]);
	}
	return missing("boot a kernel of a series that scripts/bases names, or add a base (Documentation/hooks.rst)",
		       "nvx does not know kernel %s", release);
}

/* NULL, or what is wrong with a module's file. */
static char *mismatch(const char *release, const char *name)
{
	autofree char *path = module_path(release, name, true);
	autofree char *want = text_of("%s ", release);
	struct module_file file = { 0 };
	char *wrong = NULL;

	if (!path)
		wrong = text_of("%s.ko of nvx is not installed for %s", name, release);
	else if (module_read(&file, path))
		wrong = text_of("%s is no module, or cannot be read", path);
	else if (!module_info(&file, "vermagic", want))
		wrong = text_of("%s was built for another kernel (%s)", path,
				module_info(&file, "vermagic", "") ?: "it does not say which");
	module_free(&file);
	return wrong;
}

struct finding check_modules(void)
{
	autofree char *release = kernel_release();
	autofree char *wrong = mismatch(release, "kvm");

	if (!wrong)
		wrong = mismatch(release, "kvm-intel");
	if (wrong)
		return missing("in the source tree: make modules && sudo make install",
			       "%s%s", wrong,
			       nvx_loaded() ? "; nvx is loaded until the next boot" : "");
	return fine("nvx is installed for this kernel");
}

struct finding check_iommu(void)
{
	struct dirent **entries;
	int nr = list(&entries, "/sys/class/iommu");

	free_list(entries, nr);
	if (interrupts_are_remapped())
		return missing("boot with intremap=off", "an IOMMU remaps interrupts: there cannot be a second kernel then, yet");
	if (nr > 0)
		return fine("%d IOMMU(s)", nr);
	if (exists("/sys/firmware/acpi/tables/DMAR"))
		return missing("boot with intel_iommu=on intremap=off", "there is an IOMMU, and the kernel does not use it");
	return missing("switch VT-d on in the firmware's setup; without it devices of a second kernel can reach all memory",
		       "the firmware reports no IOMMU");
}

struct finding check_memory(void)
{
	struct memory_blocks blocks;
	int percent;

	if (read_blocks(&blocks))
		return unclear("mount /sys; a kernel without CONFIG_MEMORY_HOTPLUG cannot give memory away",
			       "/sys/devices/system/memory cannot be read: %s", strerror(errno));
	percent = blocks.online ? 100 * blocks.movable / blocks.online : 0;
	if (percent < 10)
		return missing("boot with movablecore=20% (ordinary memory may hold what cannot be moved)",
			       "%d of %d memory blocks of %llu MiB (%d %%) are in ZONE_MOVABLE, 10 %% are needed",
			       blocks.movable, blocks.online,
			       (unsigned long long)(blocks.size >> 20), percent);
	return fine("%d of %d memory blocks of %llu MiB can be taken out", blocks.movable,
		    blocks.online, (unsigned long long)(blocks.size >> 20));
}

struct finding check_cpus(void)
{
	struct dirent **entries;
	int i, nr = list(&entries, "/sys/devices/system/cpu"), cpus = 0, removable = 0;
	unsigned int cpu;
	char rest;

	for (i = 0; i < nr; i++) {
		if (sscanf(entries[i]->d_name, "cpu%u%c", &cpu, &rest) != 1)
			continue;
		cpus++;
		removable += read_int(0, "/sys/devices/system/cpu/cpu%u/online", cpu) == 1;
	}
	free_list(entries, nr);
	if (!cpus)
		return unclear("mount /sys", "/sys/devices/system/cpu has no CPU in it");
	if (!removable)
		return missing(cpus == 1 ? "use a machine with two CPUs or more" :
			       "bring CPUs online (/sys/devices/system/cpu/cpu*/online)",
			       "of %d CPU(s) none can go offline", cpus);
	return fine("%d of %d CPUs can go offline", removable, cpus);
}

/* A choice, not a fault: above the shim it costs, and nothing else says so. */
struct finding check_page(void)
{
	autofree char *features = read_text("/sys/module/kvm_intel/parameters/nvx_features");
	char *word, *rest = features;

	if (!features)
		return fine("the KVM that is loaded is not nvx: above the shim it executes VMX instructions, some of which exit");
	while ((word = strsep(&rest, ",\n")))
		if (!strcmp(word, "shim_page"))
			return fine("nvx reads and writes VMCS fields in memory above the shim (shim_page)");
	return fine("nvx executes VMX instructions above the shim, some of which exit, as shim_page is not in effect: load it without nvx_off=shim_page and nvx=0 to spare them");
}

struct finding check_libvirt(void)
{
	if (!exists("/usr/bin/qemu-system-x86_64"))
		return missing("apt install qemu-system-x86", "QEMU is not installed");
	if (!exists("/usr/bin/virsh"))
		return missing("apt install libvirt-daemon-system libvirt-clients",
			       "virsh is not installed");
	if (!exists("/run/libvirt/libvirt-sock") && !exists("/run/libvirt/virtqemud-sock"))
		return missing("apt install libvirt-daemon-system, or: systemctl enable --now libvirtd",
			       "libvirt's daemon does not run (no socket in /run/libvirt)");
	if (!exists("/dev/kvm"))
		return missing("modprobe kvm_intel (checks vmx and nvx say what may prevent it)",
			       "libvirt runs, but there is no /dev/kvm");
	return fine("libvirt runs, QEMU is installed");
}
