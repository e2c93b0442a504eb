// Sockets to listen on, TCP and UDP, for every port of penstock.
//
// Thread: any. Blocks while a host name is looked up.
#pragma once

#include <sys/socket.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "net/listen_address.h"

namespace penstock::net {

// A socket address of either family.
struct BoundAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] int family() const { return storage.ss_family; }
};

// Looks the host up; of several addresses an IPv4 one is taken. Every address (`::`) is IPv4 alone
// on a machine without IPv6.
[[nodiscard]] Result<BoundAddress, Error> resolve(const ListenAddress& address);

enum class Transport { tcp, udp };

// Bound; a TCP one still has to listen. `::` takes IPv4 too. The error says what the system said.
[[nodiscard]] Result<UniqueFd, Error> open_listen_socket(const ListenAddress& address,
                                                         Transport transport);

// Whether this machine has the address; opens no port. The error says why not.
[[nodiscard]] Result<void, Error> check_listen_address(const ListenAddress& address);

// The port the system chose, and its family.
[[nodiscard]] BoundAddress local_address(const UniqueFd& socket);
[[nodiscard]] uint16_t port_of(const BoundAddress& address);

}  // namespace penstock::net
