#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

// Texts that are much alike, in little memory: once there are some, they become the dictionary by
// which all later ones are compressed, so that a Deployment takes what sets it apart from others.
//
//   Packer packer;
//   const Packed packed = packer.Pack(text);
//   EXPECT_EQ(Unpack(packed), text);
//
// Threads: any. A Packed outlives its Packer.
namespace levada::kube {

class Dictionary;

struct Packed {
  std::string bytes;
  std::shared_ptr<const Dictionary> dictionary;  // null: none was needed
  size_t size = 0;                               // of the text
};

class Packer {
 public:
  Packed Pack(std::string_view text);

 private:
  void Learn(std::string_view text);

  std::mutex mutex_;
  std::string sample_;
  size_t sampled_ = 0;
  std::shared_ptr<const Dictionary> dictionary_;
};

std::string Unpack(const Packed& packed);

}  // namespace levada::kube
