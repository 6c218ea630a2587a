// SPDX-License-Identifier: GPL-2.0-only
/*
 * Disks that are qcow2 images.  What a server exports is the image as it is in its file, byte by
 * byte: it is always the VM's QEMU that has it open as qcow2, and QEMU hands that over from one to
 * the other as with storage that both reach, so there is one that writes its tables at a time.
 *
 * What is exported has one size to the end, and an image grows with what the VM writes: its file
 * is made as long as it can become.  What is behind the image is a hole.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disks.h"
#include "nestctl.h"

#define MAGIC			0x514649fbu	/* QFI, 0xfb */
#define HEADER_SIZE		80u
#define MIN_CLUSTER_BITS	9u
#define MAX_CLUSTER_BITS	21u
#define MAX_SIZE		(UINT64_C(1) << 61)
#define EXTERNAL_DATA		UINT64_C(4)	/* of the incompatible features */
/* Entries of all tables for a cluster: of L1 and L2, and of both for reference counts. */
#define TABLES_PER_CLUSTER	64u
#define STEP			(UINT64_C(1) << MAX_CLUSTER_BITS)
#define MODE			(O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* What is asked of an image's header, at which the QEMU that has it open does not write then. */
struct header {
	uint32_t magic, version, cluster_bits, crypt, snapshots;
	uint64_t backing, size, incompatible;
};

static uint32_t word(const unsigned char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return be32toh(value);
}

static uint64_t quad(const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return be64toh(value);
}

/* False: it is none of QEMU's making. */
static bool read_header(int fd, struct header *header)
{
	unsigned char bytes[HEADER_SIZE] = { 0 };

	if (pread(fd, bytes, sizeof(bytes), 0) != sizeof(bytes))
		return false;
	header->magic = word(bytes);
	header->version = word(bytes + 4);
	header->backing = quad(bytes + 8);
	header->cluster_bits = word(bytes + 20);
	header->size = quad(bytes + 24);
	header->crypt = word(bytes + 32);
	header->snapshots = word(bytes + 60);
	/* Version 2 ends before it. */
	header->incompatible = header->version < 3 ? 0 : quad(bytes + 72);
	return header->magic == MAGIC && header->version >= 2 && header->version <= 3 &&
	       header->cluster_bits >= MIN_CLUSTER_BITS &&
	       header->cluster_bits <= MAX_CLUSTER_BITS && header->size <= MAX_SIZE;
}

/* Does it have to become longer, and can it not?  Its first byte has its place already. */
static bool stays_short(int fd)
{
	struct stat status;

	return !fstat(fd, &status) && S_ISREG(status.st_mode) &&
	       fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1) && errno == EOPNOTSUPP;
}

/**
 * disks_qcow2_obstacle() - What is against serving a qcow2 image
 * @disk: with its path
 *
 * Return: it, with the cure, to be freed; NULL: nothing.
 */
char *disks_qcow2_obstacle(const struct disk *disk)
{
	autofree char *whole = below_root("%s", disk->path);
	int fd = open(whole, (disk->xml.readonly ? O_RDONLY : O_RDWR) | MODE);
	struct header header;
	bool good = fd >= 0 && read_header(fd, &header);
	bool short_file = good && !disk->xml.readonly && stays_short(fd);

	if (fd >= 0)
		close(fd);
	if (!good)
		return text_of("it is no qcow2 image that can be read: is %s the file that the VM has?",
			       disk->path);
	if (short_file)
		return text_of("its file system has no fallocate for it, as ext2 and ext3: put it on ext4, XFS or Btrfs");
	if (header.backing)
		return text_of("its image has a backing file, which would have to move with it: virsh blockpull");
	if (header.incompatible & EXTERNAL_DATA)
		return text_of("its image has its data in another file: qemu-img convert -O qcow2");
	if (header.crypt)
		return text_of("its image is encrypted: qemu-img convert to one that is not, or put it on storage that both kernels reach");
	return NULL;
}

/* Where the last data of a file ends. */
static uint64_t end_of_data(int fd, uint64_t size)
{
	off_t at, end = 0;

	while ((at = lseek(fd, end, SEEK_DATA)) >= 0) {
		end = lseek(fd, at, SEEK_HOLE);
		if (end < 0)
			return size;
	}
	return errno == ENXIO ? (uint64_t)end : size;
}

/*
 * All that is in use, and once more all that the VM can write: what a snapshot has is not used
 * again.  Clusters that it has may be holes.
 */
static uint64_t wanted(int fd, const struct header *header, uint64_t size)
{
	uint64_t used = header->snapshots ? size : end_of_data(fd, size);
	uint64_t room = used + header->size + STEP +
			((header->size >> header->cluster_bits) + 1) * TABLES_PER_CLUSTER;

	if (room < size)
		room = size;
	return (room + STEP - 1) / STEP * STEP;
}

static int extend(int fd, const char *path)
{
	struct header header;
	struct stat status;
	uint64_t end;

	if (fstat(fd, &status))
		return -1;
	if (S_ISBLK(status.st_mode))
		return 0;
	if (!read_header(fd, &header)) {
		complain("%s is no qcow2 image that can be read", path);
		return -1;
	}
	end = wanted(fd, &header, status.st_size);
	/* It is not cut off, should QEMU have written behind @end. */
	if (end == (uint64_t)status.st_size || !fallocate(fd, 0, (off_t)end - 1, 1))
		return 0;
	complain("cannot make %s %llu bytes long, of which what the VM does not write stays a hole: %s",
		 path, (unsigned long long)end, strerror(errno));
	return -1;
}

/**
 * disks_qcow2_room() - Let an image have the size that it can grow to
 * @disk: any; only of a qcow2 image in a file that is written to it makes a difference
 *
 * The VM's QEMU has it open; for it, nothing changes.
 *
 * Return: 0, or -1 after a message.
 */
int disks_qcow2_room(const struct disk *disk)
{
	autofree char *whole = below_root("%s", disk->path ?: "");
	int fd, status;

	if (!disk->path || disk->xml.readonly || strcmp(disk->xml.format ?: "", "qcow2"))
		return 0;
	fd = open(whole, O_RDWR | MODE);
	if (fd < 0) {
		complain("cannot open %s: %s", disk->path, strerror(errno));
		return -1;
	}
	status = extend(fd, disk->path);
	close(fd);
	return status;
}
