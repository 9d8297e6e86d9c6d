// Netlink messages and their attributes, as the kernel lays them out: netlink(7), linux/netlink.h,
// nla_put and nla_ok of include/net/netlink.h. Every part begins at a multiple of 4 bytes.
//
// What is read comes from the kernel, cut at the size of the receive buffer perhaps. Nothing here reads
// beyond the size that it is given. What is written goes into a buffer that the caller has sized.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace wanmark {

constexpr size_t NetlinkAlign(size_t size) { return (size + 3) & ~size_t{3}; }

constexpr size_t kMessageHeaderBytes = NetlinkAlign(sizeof(nlmsghdr));
constexpr size_t kAttributeHeaderBytes = NetlinkAlign(sizeof(nlattr));

// --- messages that are read ---

/** Whether `left` bytes hold the whole of the message. */
inline bool IsMessage(const nlmsghdr* message, ptrdiff_t left) {
  return left >= static_cast<ptrdiff_t>(sizeof(nlmsghdr)) && message->nlmsg_len >= sizeof(nlmsghdr) &&
         message->nlmsg_len <= static_cast<size_t>(left);
}

/**
 * The message behind one that IsMessage has found whole. `left` becomes what is left from there on; it is
 * below 0 where the padding of the last message is missing.
 */
inline const nlmsghdr* NextMessage(const nlmsghdr* message, int& left) {
  const size_t size = NetlinkAlign(message->nlmsg_len);
  left -= static_cast<int>(size);
  return reinterpret_cast<const nlmsghdr*>(reinterpret_cast<const char*>(message) + size);
}

/** The header of the family, which follows that of the message, or nlmsgerr in an answer. */
template <typename Body>
const Body* MessageBody(const nlmsghdr* message) {
  return reinterpret_cast<const Body*>(reinterpret_cast<const char*>(message) + kMessageHeaderBytes);
}

/** The error of a message of type NLMSG_ERROR, as a positive errno; 0 is an acknowledgement. */
inline int MessageError(const nlmsghdr* message) { return -MessageBody<nlmsgerr>(message)->error; }

// --- attributes that are read ---

/** The type without the flags that are beside it in the same field. */
inline int AttributeType(const nlattr* attribute) { return attribute->nla_type & NLA_TYPE_MASK; }

inline size_t AttributeBytes(const nlattr* attribute) { return attribute->nla_len - kAttributeHeaderBytes; }

inline const uint8_t* AttributeData(const nlattr* attribute) {
  return reinterpret_cast<const uint8_t*>(attribute) + kAttributeHeaderBytes;
}

/** Reads a number or a structure, in the byte order that it is sent in; it may be unaligned. */
template <typename Value>
Value AttributeValue(const nlattr* attribute) {
  Value value;
  std::memcpy(&value, AttributeData(attribute), sizeof(value));
  return value;
}

/**
 * Calls `visit(attribute)` for each attribute that is wholly inside, and ends at one that is not. An
 * attribute of a size below its own header's would never end the loop, and counts as one that is not.
 */
template <typename Visit>
void ForEachAttribute(const void* data, size_t size, Visit visit) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  for (size_t at = 0; at < size && size - at >= sizeof(nlattr);) {
    const auto* attribute = reinterpret_cast<const nlattr*>(bytes + at);
    if (attribute->nla_len < sizeof(nlattr) || attribute->nla_len > size - at) return;
    visit(attribute);
    at += NetlinkAlign(attribute->nla_len);
  }
}

template <typename Visit>
void ForEachNested(const nlattr* parent, Visit visit) {
  ForEachAttribute(AttributeData(parent), AttributeBytes(parent), visit);
}

/** Where the attributes of a message begin whose family has a header of `header_bytes`. */
constexpr size_t AttributesAt(size_t header_bytes) {
  return kMessageHeaderBytes + NetlinkAlign(header_bytes);
}

/** Visits the attributes of a message of the family whose header is `Header`. */
template <typename Header, typename Visit>
void ForEachAttributeOf(const nlmsghdr* message, Visit visit) {
  constexpr size_t kStart = AttributesAt(sizeof(Header));
  if (message->nlmsg_len < kStart) return;
  ForEachAttribute(reinterpret_cast<const char*>(message) + kStart, message->nlmsg_len - kStart, visit);
}

// --- messages that are written ---

/** Begins a message; the fields are for the caller, the length follows what is put into it. */
inline nlmsghdr* StartMessage(void* buffer) {
  auto* message = static_cast<nlmsghdr*>(buffer);
  *message = nlmsghdr{};
  message->nlmsg_len = kMessageHeaderBytes;
  return message;
}

/** Puts `size` zeroed bytes at the end and returns them. */
inline void* Append(nlmsghdr* message, size_t size) {
  void* added = reinterpret_cast<char*>(message) + message->nlmsg_len;
  std::memset(added, 0, NetlinkAlign(size));
  message->nlmsg_len += static_cast<uint32_t>(NetlinkAlign(size));
  return added;
}

/** Appends the header of the family, with zeros. */
template <typename Header>
Header* AppendHeader(nlmsghdr* message) {
  return static_cast<Header*>(Append(message, sizeof(Header)));
}

inline void PutAttribute(nlmsghdr* message, uint16_t type, const void* data, size_t size) {
  auto* attribute = static_cast<nlattr*>(Append(message, kAttributeHeaderBytes + size));
  attribute->nla_type = type;
  attribute->nla_len = static_cast<uint16_t>(kAttributeHeaderBytes + size);
  if (size > 0) std::memcpy(attribute + 1, data, size);
}

/** Puts a number or a structure, as it lies in memory: the byte order is the caller's. */
template <typename Value>
void PutValue(nlmsghdr* message, uint16_t type, const Value& value) {
  PutAttribute(message, type, &value, sizeof(value));
}

/** Begins an attribute that holds others; EndNested gives it its length. */
inline nlattr* StartNested(nlmsghdr* message, uint16_t type) {
  auto* attribute = static_cast<nlattr*>(Append(message, kAttributeHeaderBytes));
  attribute->nla_type = type | NLA_F_NESTED;
  return attribute;
}

inline void EndNested(nlmsghdr* message, nlattr* nested) {
  const char* end = reinterpret_cast<char*>(message) + message->nlmsg_len;
  nested->nla_len = static_cast<uint16_t>(end - reinterpret_cast<char*>(nested));
}

}  // namespace wanmark
