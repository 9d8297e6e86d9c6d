#include "nft/batch.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/netlink.h"

namespace wanmark {

namespace {

constexpr uint16_t kSubsystem = NFNL_SUBSYS_NFTABLES << 8;
// Room for a transaction that writes 65,536 places; the kernel takes no more than the buffer at once
// (netlink_sendmsg).
constexpr int kSendBuffer = 16 << 20;
constexpr size_t kHeaderBytes = AttributesAt(sizeof(nfgenmsg));

nfgenmsg* BeginMessage(nlmsghdr* message, uint16_t type, uint16_t flags, uint8_t family) {
  message->nlmsg_type = type;
  message->nlmsg_flags = NLM_F_REQUEST | flags;
  auto* header = AppendHeader<nfgenmsg>(message);
  header->nfgen_family = family;
  header->version = NFNETLINK_V0;
  return header;
}

}  // namespace

int OpenNft(NetlinkSocket& socket) {
  if (const int error = socket.Open(NETLINK_NETFILTER)) return error;
  // Without CAP_NET_ADMIN the kernel refuses the transaction anyway, so it does not matter what this one
  // says.
  setsockopt(socket.fd(), SOL_SOCKET, SO_SNDBUFFORCE, &kSendBuffer, sizeof(kSendBuffer));
  // An answer then has the header of the refused message, and not all of it.
  socket.SetOption(NETLINK_CAP_ACK);
  return socket.BindAndConnect();
}

NftBatch::NftBatch(uint8_t family) : family_(family) { Mark(NFNL_MSG_BATCH_BEGIN); }

void NftBatch::Mark(uint16_t type) {
  start_ = bytes_.size();
  bytes_.resize(start_ + kHeaderBytes);
  auto* message = StartMessage(&bytes_[start_]);
  BeginMessage(message, type, 0, AF_UNSPEC)->res_id = htons(NFNL_SUBSYS_NFTABLES);
}

nlmsghdr* NftBatch::Start(uint16_t type, uint16_t flags, size_t room) {
  start_ = bytes_.size();
  bytes_.resize(start_ + kHeaderBytes + NetlinkAlign(room));
  auto* message = StartMessage(&bytes_[start_]);
  BeginMessage(message, kSubsystem | type, flags, family_);
  return message;
}

void NftBatch::End() {
  bytes_.resize(start_ + reinterpret_cast<const nlmsghdr*>(&bytes_[start_])->nlmsg_len);
}

int NftBatch::Send(NetlinkSocket& socket, uint16_t& failed) {
  failed = 0;
  // The last message is answered in any case, and behind all others.
  reinterpret_cast<nlmsghdr*>(&bytes_[start_])->nlmsg_flags |= NLM_F_ACK;
  Mark(NFNL_MSG_BATCH_END);
  if (const int error = socket.Send(bytes_.data(), bytes_.size())) return error;

  // The kernel has answered inside send, with one datagram for each error.
  bool answered = false;
  int first = 0;
  for (;;) {
    alignas(nlmsghdr) char answer[512];
    const ssize_t size = recv(socket.fd(), answer, sizeof(answer), MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) {
      if (errno != EAGAIN) return errno;
      break;
    }
    const auto* header = reinterpret_cast<const nlmsghdr*>(answer);
    if (!IsMessage(header, size) || header->nlmsg_type != NLMSG_ERROR ||
        header->nlmsg_len < kMessageHeaderBytes + sizeof(nlmsgerr)) {
      continue;
    }
    answered = true;
    const int error = MessageError(header);
    if (first || !error) continue;
    first = error;
    const uint16_t type = MessageBody<nlmsgerr>(header)->msg.nlmsg_type;
    if ((type & ~0xff) == kSubsystem) failed = type & 0xff;
  }
  return answered ? first : EBADMSG;
}

void PutText(nlmsghdr* message, uint16_t type, std::string_view text) {
  const std::string terminated(text);
  PutAttribute(message, type, terminated.c_str(), terminated.size() + 1);
}

size_t TextBytes(std::string_view text) { return kAttributeHeaderBytes + NetlinkAlign(text.size() + 1); }

}  // namespace wanmark
