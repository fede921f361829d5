#include "live/external_metrics/own_certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "live/kube/access.h"
#include "live/net/tls/certificates.h"

namespace tidegate::live::external_metrics {
namespace {

/// Whole or not at all: another name first, then renamed.
Result<void> write_file(const std::string& path, const std::string& text, mode_t mode) {
  const std::string fresh = path + ".new";
  ::unlink(fresh.c_str());
  int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd < 0) return fail(fresh + ": " + strerror(errno));
  const bool whole = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                     ::fsync(fd) == 0;
  const int error = errno;
  ::close(fd);
  if (!whole || ::rename(fresh.c_str(), path.c_str()) != 0) {
    return fail(path + ": " + strerror(whole ? errno : error));
  }
  return {};
}

bool usable(const CertificateFiles& files, const std::vector<std::string>& names, WallTime now) {
  auto pem = kube::read_file(files.certificate);
  struct stat key {};
  return pem && ::stat(files.key.c_str(), &key) == 0 && net::stands_for(*pem, names, now) &&
         net::stands_for(*pem, names, now + kLeast);
}

}  // namespace

std::vector<std::string> names_of_service(const std::string& ns, const std::string& name) {
  return {name + "." + ns + ".svc",
          name + "." + ns + ".svc.cluster.local",
          name + "." + ns,
          name,
          "localhost",
          "127.0.0.1"};
}

Result<CertificateFiles> own_certificate(const std::string& path,
                                         const std::vector<std::string>& names, WallTime now) {
  CertificateFiles files{path + ".crt", path + ".key"};
  if (usable(files, names, now)) return files;
  // An hour back: clocks of a cluster differ.
  auto pair = net::self_signed(names, now + seconds(-3600), now + kLifetime);
  if (!pair) return fail(pair.error());
  if (auto done = write_file(files.key, pair->key_pem, 0600); !done) return fail(done.error());
  if (auto done = write_file(files.certificate, pair->certificate_pem, 0644); !done) {
    return fail(done.error());
  }
  return files;
}

}  // namespace tidegate::live::external_metrics
