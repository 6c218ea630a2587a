/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Those functions of libvirt that are called.  The library is loaded when it is needed, so that
 * nestctl runs without it.
 */
#ifndef NESTCTL_LIBVIRT_CALLS_H
#define NESTCTL_LIBVIRT_CALLS_H

#include <libvirt/libvirt.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>

#define LIBVIRT_LOCAL	"qemu:///system"

#define LIBVIRT_FUNCTIONS(X)							\
	X(virConnectClose)						\
	X(virConnectDomainEventRegisterAny)				\
	X(virConnectListAllDomains)					\
	X(virConnectOpen)						\
	X(virConnectSetKeepAlive)					\
	X(virDomainAbortJob)						\
	X(virDomainDefineXML)						\
	X(virDomainDestroy)						\
	X(virDomainFree)						\
	X(virDomainGetAutostart)					\
	X(virDomainGetInfo)						\
	X(virDomainGetJobStats)						\
	X(virDomainGetMetadata)						\
	X(virDomainGetName)						\
	X(virDomainGetState)						\
	X(virDomainGetUUID)						\
	X(virDomainGetUUIDString)					\
	X(virDomainGetXMLDesc)						\
	X(virDomainIsActive)						\
	X(virDomainIsPersistent)					\
	X(virDomainLookupByName)					\
	X(virDomainLookupByUUID)					\
	X(virDomainLookupByUUIDString)					\
	X(virDomainMigrateSetMaxDowntime)				\
	X(virDomainMigrateToURI3)					\
	X(virDomainResume)						\
	X(virDomainSetAutostart)					\
	X(virDomainSetMetadata)						\
	X(virDomainSnapshotNum)						\
	X(virDomainUndefine)						\
	X(virEventRegisterDefaultImpl)					\
	X(virEventRunDefaultImpl)					\
	X(virGetLastErrorCode)						\
	X(virGetLastErrorMessage)					\
	X(virSetErrorFunc)						\
	X(virTypedParamsAddString)					\
	X(virTypedParamsFree)						\
	X(virTypedParamsGetULLong)

extern struct libvirt {
	__typeof__(virConnectClose) *virConnectClose;
	__typeof__(virConnectDomainEventRegisterAny) *virConnectDomainEventRegisterAny;
	__typeof__(virConnectListAllDomains) *virConnectListAllDomains;
	__typeof__(virConnectOpen) *virConnectOpen;
	__typeof__(virConnectSetKeepAlive) *virConnectSetKeepAlive;
	__typeof__(virDomainAbortJob) *virDomainAbortJob;
	__typeof__(virDomainDefineXML) *virDomainDefineXML;
	__typeof__(virDomainDestroy) *virDomainDestroy;
	__typeof__(virDomainFree) *virDomainFree;
	__typeof__(virDomainGetAutostart) *virDomainGetAutostart;
	__typeof__(virDomainGetInfo) *virDomainGetInfo;
	__typeof__(virDomainGetJobStats) *virDomainGetJobStats;
	__typeof__(virDomainGetMetadata) *virDomainGetMetadata;
	__typeof__(virDomainGetName) *virDomainGetName;
	__typeof__(virDomainGetState) *virDomainGetState;
	__typeof__(virDomainGetUUID) *virDomainGetUUID;
	__typeof__(virDomainGetUUIDString) *virDomainGetUUIDString;
	__typeof__(virDomainGetXMLDesc) *virDomainGetXMLDesc;
	__typeof__(virDomainIsActive) *virDomainIsActive;
	__typeof__(virDomainIsPersistent) *virDomainIsPersistent;
	__typeof__(virDomainLookupByName) *virDomainLookupByName;
	__typeof__(virDomainLookupByUUID) *virDomainLookupByUUID;
	__typeof__(virDomainLookupByUUIDString) *virDomainLookupByUUIDString;
	__typeof__(virDomainMigrateSetMaxDowntime) *virDomainMigrateSetMaxDowntime;
	__typeof__(virDomainMigrateToURI3) *virDomainMigrateToURI3;
	__typeof__(virDomainResume) *virDomainResume;
	__typeof__(virDomainSetAutostart) *virDomainSetAutostart;
	__typeof__(virDomainSetMetadata) *virDomainSetMetadata;
	__typeof__(virDomainSnapshotNum) *virDomainSnapshotNum;
	__typeof__(virDomainUndefine) *virDomainUndefine;
	__typeof__(virEventRegisterDefaultImpl) *virEventRegisterDefaultImpl;
	__typeof__(virEventRunDefaultImpl) *virEventRunDefaultImpl;
	__typeof__(virGetLastErrorCode) *virGetLastErrorCode;
	__typeof__(virGetLastErrorMessage) *virGetLastErrorMessage;
	__typeof__(virSetErrorFunc) *virSetErrorFunc;
	__typeof__(virTypedParamsAddString) *virTypedParamsAddString;
	__typeof__(virTypedParamsFree) *virTypedParamsFree;
	__typeof__(virTypedParamsGetULLong) *virTypedParamsGetULLong;
	/* Of a library of its own. */
	__typeof__(virDomainQemuMonitorCommand) *virDomainQemuMonitorCommand;
	__typeof__(virDomainQemuMonitorCommandWithFiles) *virDomainQemuMonitorCommandWithFiles;
} lib;

int libvirt_load(void);

#endif /* NESTCTL_LIBVIRT_CALLS_H */
