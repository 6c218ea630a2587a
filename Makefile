# SPDX-License-Identifier: GPL-2.0-only
#
# Targets only; the work is done by scripts/ and by Kbuild.  "make help".

# Kernel release to build for, as in uname -r.
KREL ?= $(shell scripts/build-modules --default 2>/dev/null)
# Kernel of the lab: 6.1-cloud, 6.1, 6.12-cloud or 6.12 (scripts/lab list).
KERNEL ?= 6.1-cloud
DESTDIR ?=

moddir = $(DESTDIR)/lib/modules/$(KREL)/updates/nvx

.PHONY: help
help:
	@echo 'nvx: nested virtualization at a lower price.  refresh: a host kernel replaced under its VMs.'
	@echo
	@echo 'make TARGET.  To see them work, in the lab (each installs, builds and boots what it needs):'
	@echo '  demo            nvx: what L2 operations cost, with stock KVM and with nvx'
	@echo '                  (build/demo/report.md)'
	@echo '  demo-refresh    refresh: another kernel in the place of the first, below VMs that run on'
	@echo '                  (build/demo-refresh/summary.txt, report.json, console.log)'
	@echo '  demo-partition  a part of that: a second stock kernel beside the first, which inherits'
	@echo '                  the machine (build/demo-partition/)'
	@echo
	@echo 'To test:'
	@echo '  check           set up, build, run the tests'
	@echo '  check-all       the tests that take long, too'
	@echo '  check-fast      the checks that need neither a build nor the lab'
	@echo '  check-debug     the tests of L0 on a kernel with lockdep, KASAN, UBSAN'
	@echo '                  (builds that kernel once)'
	@echo '  check-fuzz      parsers of what a partition, a peer or a file says, with libFuzzer'
	@echo '  check-upstream  the whole set of the kernel'"'"'s own KVM selftests, stock and nvx side'
	@echo '                  by side (long)'
	@echo '  coverage        lines of the shim, the kernel side and nestctl that unit tests run, with'
	@echo '                  those of the lab'"'"'s last runs (build/coverage/report.txt)'
	@echo '  coverage-lab    do those runs anew: what of the shim and the modules runs in the lab'
	@echo
	@echo 'To measure:'
	@echo '  bench           compare with eVMCS, PV VMCS, delegation, KERNEL=$(KERNEL)'
	@echo '                  (build/bench/report.md)'
	@echo '  bench-paper     the experiment of the NestCloud paper: work in L2 over L1,'
	@echo '                  optimization by optimization (build/bench-paper/report.md)'
	@echo '  bench-shim      what the shim costs guests (build/bench-shim/report.json)'
	@echo '  bench-refresh   Redis in a VM, YCSB-A, while another kernel takes the place of the'
	@echo '                  one below it (build/bench-refresh/report.json, timeline.svg)'
	@echo '  report          one page of what these have measured (build/report/index.html)'
	@echo
	@echo 'To build and install:'
	@echo '  deps            install the Debian packages that are missing'
	@echo '  modules         build kvm.ko, kvm-intel.ko, vmm-refresh.ko for KREL=$(KREL)'
	@echo '  nestctl         build the command for operators and its man pages (build/nestctl)'
	@echo '  docs            format Documentation/ as HTML (build/docs)'
	@echo '  deb             build the Debian packages (build/deb)'
	@echo '  install         install the modules of KREL beside the stock ones, and nestctl, DESTDIR='
	@echo '  uninstall       remove them again'
	@echo '  clean           delete build/ but not the downloads in build/cache'
	@echo
	@echo 'To load the modules on this machine: build/nestctl/nestctl load --help'
	@echo 'To play in the lab: scripts/lab --help'

.PHONY: deps
deps:
	@scripts/install-deps

.PHONY: modules
modules:
	@scripts/build-modules $(KREL)

.PHONY: nestctl
nestctl:
	@$(MAKE) -s -C tools/nestctl all man
	@echo 'see build/nestctl/nestctl --help'

.PHONY: demo
demo: deps
	@scripts/demo --kernel $(KERNEL)

.PHONY: demo-refresh
demo-refresh: deps
	@scripts/install-deps vms
	@scripts/demo-partition --refresh

.PHONY: demo-partition
demo-partition: deps
	@scripts/demo-partition

.PHONY: bench
bench:
	@scripts/bench --kernel $(KERNEL)

.PHONY: bench-paper
bench-paper: deps
	@scripts/install-deps paper
	@scripts/bench-paper --kernel $(KERNEL)

.PHONY: bench-shim
bench-shim: deps
	@scripts/build-all
	@scripts/bench-shim --kernel $(KERNEL)

.PHONY: bench-refresh
bench-refresh: deps
	@scripts/install-deps vms
	@scripts/bench-refresh

.PHONY: report
report:
	@scripts/report

.PHONY: check
check: deps
	@scripts/run-suites

.PHONY: check-all
check-all: deps
	@scripts/install-deps debug vms deb fuzz docs
	@scripts/run-suites --all

.PHONY: check-fast
check-fast:
	@scripts/check --fast

.PHONY: check-debug
check-debug: deps
	@scripts/install-deps debug
	@scripts/run-suites debug

.PHONY: check-fuzz
check-fuzz: deps
	@scripts/install-deps fuzz
	@scripts/check-fuzz

.PHONY: coverage
coverage:
	@scripts/coverage

.PHONY: coverage-lab
coverage-lab: deps
	@scripts/build-all programs images-6.1 images-6.12 selftests-6.1
	@scripts/coverage --boot

.PHONY: check-upstream
check-upstream: deps
	@scripts/run-suites upstream-all

.PHONY: docs
docs:
	@scripts/install-deps docs
	sphinx-build -q -W -b html Documentation build/docs
	@echo 'see build/docs/index.html'

.PHONY: deb
deb:
	@scripts/install-deps build deb
	@scripts/build-deb

.PHONY: install
install: nestctl
	@test -f build/modules/$(KREL)/kvm-intel.ko || \
		{ echo 'install: no modules for $(KREL): run "make modules KREL=$(KREL)" first' >&2; exit 2; }
	install -d $(moddir)
	install -m 0644 build/modules/$(KREL)/kvm.ko build/modules/$(KREL)/kvm-intel.ko $(moddir)
	@$(MAKE) -s -C tools/nestctl install DESTDIR=$(DESTDIR)
	depmod $(if $(DESTDIR),-b $(DESTDIR)) $(KREL)
	@echo 'installed; they are used from the next "modprobe kvm_intel" on,'
	@echo 'at once with: nestctl load'

.PHONY: uninstall
uninstall:
	rm -f $(moddir)/kvm.ko $(moddir)/kvm-intel.ko
	-rmdir $(moddir) 2>/dev/null
	@$(MAKE) -s -C tools/nestctl uninstall DESTDIR=$(DESTDIR)
	depmod $(if $(DESTDIR),-b $(DESTDIR)) $(KREL)
	@echo 'removed; modules that are loaded stay until they are unloaded: modprobe -r kvm_intel'

.PHONY: clean
clean:
	@if [ -d build ]; then find build -mindepth 1 -maxdepth 1 ! -name cache -exec rm -rf {} +; fi
