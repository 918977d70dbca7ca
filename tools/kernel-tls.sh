#!/bin/sh
# Runs a command in a virtual machine whose kernel has TLS (kTLS), with this machine's files below
# it, read-only: what is written is gone with the machine. Emulated, so that it needs no rights and
# runs anywhere; a handshake is slow there. Ends with the command's exit code.
# Usage: kernel-tls.sh WORK SECONDS COMMAND    WORK: an absolute path; the kernel is kept there
set -eu
work=$1
seconds=$2
command=$3
guest=$work/guest
here=$(pwd)

mkdir -p "$work"
cd "$work"
if [ ! -e kernel/boot ]; then
    echo "fetching Debian's kernel"
    package=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p')
    apt-get download -qq "$package" 2>&1 | grep -v unsandboxed || true
    dpkg -x "$package"_*.deb kernel
    rm -f "$package"_*.deb
fi
version=$(ls kernel/lib/modules)
/sbin/depmod -b "$work/kernel" "$version"

rm -rf "$guest"
mkdir -p "$guest/bin" "$guest/modules" "$guest/proc" "$guest/sys" "$guest/dev"
cp /bin/busybox "$guest/bin/"
number=100
for module in virtio_pci 9pnet_virtio 9p overlay virtio_rng tls gcm ctr aes_generic \
    ghash_generic chacha20poly1305 chacha_generic poly1305_generic; do
    for file in $(/sbin/modprobe -d "$work/kernel" -S "$version" --show-depends "$module" |
        sed -n 's/^insmod \([^ ]*\).*/\1/p'); do
        [ -e "$guest"/modules/*-"${file##*/}" ] && continue
        cp "$file" "$guest/modules/$number-${file##*/}"
        number=$((number + 1))
    done
done

cat >"$guest/init" <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in /modules/*; do insmod "$module"; done
mkdir -p /below /above /all
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=524288,cache=loose root /below
mount -t tmpfs -o size=3g tmpfs /above
mkdir /above/files /above/work
mount -t overlay -o lowerdir=/below,upperdir=/above/files,workdir=/above/work overlay /all
mount -t proc proc /all/proc
mount -t sysfs sys /all/sys
mount --bind /dev /all/dev
mkdir -p /all/dev/shm /all/dev/pts
mount -t tmpfs shm /all/dev/shm
mount -t devpts pts /all/dev/pts
ip link set lo up
date -s "@$(sed -n 's/.*now=\([0-9]*\).*/\1/p' /proc/cmdline)" >/dev/null
cp /command /all/tmp/command
chroot /all /bin/sh /tmp/command
echo "ended with $?"
poweroff -f
END
chmod +x "$guest/init"
cat >"$guest/command" <<END
export HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd '$here'
$command
END
(cd "$guest" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >guest.gz

timeout "$seconds" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 4G -nographic \
    -no-reboot -kernel "kernel/boot/vmlinuz-$version" -initrd guest.gz \
    -append "console=ttyS0 quiet now=$(date +%s) panic=-1" \
    -virtfs local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap \
    -device virtio-rng-pci </dev/null | tee guest.log
code=$(tr -d '\r' <guest.log | sed -n 's/^ended with \([0-9]*\)$/\1/p')
exit "${code:-1}"
