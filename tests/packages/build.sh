# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The packages are built, and looked at from outside.  Uses $root, $source_dir, $work; $pkgs is what the tree gets to see.

copy() { # DIR: of one commit, whatever is committed meanwhile
  mkdir -p "$1"
  if [[ -n $source_dir ]]; then tar -C "$source_dir" --exclude=./build --exclude=./.git -c . | tar -x -C "$1"
  else git -C "$root" archive "${commit:=$(git -C "$root" rev-parse HEAD)}" | tar -x -C "$1"; fi
}
build_in() { # DIR OPTIONS [COMMAND...]
  local folder=$1 options=$2
  shift 2
  (cd "$folder" && DEB_BUILD_OPTIONS="parallel=$(nproc) $options" "$@" dpkg-buildpackage -us -uc -b -d)
}

build() { # OPTIONS
  copy "$work/one/leat" && build_in "$work/one/leat" "$1" &&
    find "$work/one" -maxdepth 1 -name '*.deb' ! -name '*-dbgsym_*' -exec cp -t "$pkgs" {} +
}
# Another folder, umask, time zone, locale and day; the unit tests are not built.
build_otherwise() {
  copy "$work/other/and-longer/leat" || return 1
  local at_another_time=()
  if command -v faketime >/dev/null; then at_another_time=(faketime -f '+400d'); fi
  (umask 027; export TZ=Pacific/Kiritimati LC_ALL=C.UTF-8
    build_in "$work/other/and-longer/leat" nocheck ${at_another_time[@]+"${at_another_time[@]}"})
}
clock_is_behind() { (($(date +%s) < $(cd "$work/one/leat" && dpkg-parsechangelog -S Timestamp))); }
same_bytes() {
  local deb count=0 differ=0
  for deb in "$work"/one/*.deb; do
    count=$((count + 1))
    cmp "$deb" "$work/other/and-longer/${deb##*/}" || differ=1
  done
  echo "$count packages"
  ((count >= 8 && !differ))
}
lint() { lintian --fail-on error,warning --pedantic "$work"/one/*.changes; }
# An override has its reason above it.
overrides_have_reasons() {
  ! find "$work/one/leat/debian" -path '*/debian/leat*/usr' -prune -o -name '*lintian-overrides' -print |
    xargs -r awk '/^#/ {reason = 1; next} NF && !reason {print FILENAME ": " $0} {reason = 0}' | grep .
}

# What each package has and depends on.
has() { # PACKAGE FILE...
  local package=$1 file
  shift
  dpkg-deb -c "$(echo "$pkgs/${package}"_*.deb)" | awk '{print substr($6, 2)}' >"$work/files"
  for file; do grep -qx -- "$file" "$work/files" || { echo "$package has no $file"; return 1; }; done
}
depends() { dpkg-deb -f "$(echo "$pkgs/$1"_*.deb)" Depends | grep -E -- "$2" || { echo "$1 does not depend on $2"; return 1; }; }
contents() {
  local lib
  lib=/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
  has leat /usr/bin/leat "$lib"/leat/plugins-1/{file,pgoutput}.so /etc/leat/plugins.d/{file,pgoutput}.yaml \
    /lib/systemd/system/leat{,@}.service /usr/lib/sysusers.d/leat.conf /usr/share/doc/leat/examples/config.yaml \
    /usr/share/doc/leat/{install.md.gz,changelog.gz,copyright} /usr/share/man/man1/leat.1.gz /usr/share/man/man5/leat.yaml.5.gz \
    /usr/share/man/man7/leat-{sink-file,source-pgoutput}.7.gz \
    /usr/share/bash-completion/completions/leat /usr/share/zsh/vendor-completions/_leat &&
    has leat-sink-nats "$lib/leat/plugins-1/nats.so" /etc/leat/plugins.d/nats.yaml /usr/share/man/man7/leat-sink-nats.7.gz &&
    has leat-sink-kafka "$lib/leat/plugins-1/kafka.so" /etc/leat/plugins.d/kafka.yaml /usr/share/man/man7/leat-sink-kafka.7.gz &&
    has leat-dev /usr/include/leat/plugin.h "$lib/pkgconfig/leat.pc" /usr/share/doc/leat-dev/examples/plugin-template/template.c \
      "$lib"/leat/fakes/fake_{source,sink}.so /usr/bin/leat-plugin-check /usr/share/man/man1/leat-plugin-check.1.gz \
      /usr/bin/dh_leat /usr/share/man/man1/dh_leat.1.gz /usr/share/perl5/Debian/Debhelper/Sequence/leat.pm &&
    depends leat libpq5 && depends leat-sink-kafka librdkafka1 && depends leat-sink-nats libssl3 &&
    depends leat-sink-kafka 'leat-plugin-abi-1 \(>= 1\.' && depends leat-sink-nats 'leat-plugin-abi-1 \(>= 1\.' &&
    dpkg-deb -f "$(echo "$pkgs"/leat_*.deb)" Provides | grep -E 'leat-plugin-abi-1 \(= 1\.[0-9]+\)'
}
debug_symbols() { # of each program and library, by its build id
  local package file id
  for package in leat leat-sink-nats leat-sink-kafka leat-dev; do
    dpkg -x "$(echo "$work/one/${package}"_*.deb)" "$work/x" && dpkg -x "$(echo "$work/one/$package-dbgsym"_*.deb)" "$work/x" || return 1
  done
  while read -r file; do
    id=$(readelf -n "$file" | sed -n 's/.*Build ID: //p')
    [[ -s $work/x/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug ]] || { echo "no symbols of ${file#"$work"/x}"; return 1; }
    echo "$id ${file#"$work"/x}"
  done < <(find "$work/x" -path '*/debug' -prune -o -type f \( -name '*.so' -o -path '*/bin/leat*' \) -print)
}

units_are_closed() {
  local unit
  dpkg -x "$(echo "$pkgs"/leat_*.deb)" "$work/unit"
  for unit in leat.service leat@.service; do
    systemd-analyze security --offline=true --threshold=10 --no-pager "$work/unit/lib/systemd/system/$unit" || return 1
  done
}
# MemoryMax is twice the default of `memory`, and 64 MiB: what the unit says of itself.
memory_bound() {
  local memory
  memory=$(sed -n 's/^#memory: \([0-9]*\)MiB$/\1/p' "${source_dir:-$root}/config.yaml")
  grep -x "MemoryMax=$((2 * memory + 64))M" "$work/unit/lib/systemd/system/leat.service"
}

# The next version: a later minor of the ABI, and a conffile that has changed.  Built anew, or the same programs.
next_version_built() {
  local folder=$work/next/leat
  copy "$folder" && sed -i 's/^\(#define LEAT_ABI_MINOR\) .*/\1 9u/' "$folder/core/include/leat/plugin.h" &&
    sed -i '1s/)/+next1)/' "$folder/debian/changelog" && echo '# theirs' >>"$folder/plugins.d/file.yaml" &&
    build_in "$folder" nocheck || return 1
  find "$work/next" -maxdepth 1 -name '*.deb' ! -name '*-dbgsym_*' -exec cp -t "$pkgs/next" {} +
}
next_version_repacked() {
  local deb
  for deb in "$pkgs"/leat*.deb; do
    dpkg-deb -R "$deb" "$work/next" &&
      sed -i 's/^Version: .*/&+next1/; s/^Provides: leat-plugin-abi-1 .*/Provides: leat-plugin-abi-1 (= 1.9)/' \
        "$work/next/DEBIAN/control" || return 1
    if [[ -f $work/next/etc/leat/plugins.d/file.yaml ]]; then echo '# theirs' >>"$work/next/etc/leat/plugins.d/file.yaml"; fi
    dpkg-deb -Znone --root-owner-group -b "$work/next" "$pkgs/next" || return 1
    rm -rf "$work/next"
  done
}
