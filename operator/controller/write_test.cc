#include "operator/controller/write.h"

#include <gtest/gtest.h>

namespace levada::controller {
namespace {

TEST(DescribeTest, OneChangeIsItself) {
  EXPECT_EQ(Describe({{"Deployment fraud-detect", "spec.replicas: 2 -> 3"}}),
            "Deployment fraud-detect: spec.replicas: 2 -> 3");
  EXPECT_EQ(Describe({}), "");
}

TEST(DescribeTest, WhatBecameTheSameOfManyIsSaidOnce) {
  EXPECT_EQ(Describe({{"Service a", "created"},
                      {"Deployment b", "spec.replicas: 2 -> 3"},
                      {"Service c", "created"},
                      {"Service d", "created"},
                      {"Service e", "created"},
                      {"Service f", "created"},
                      {"Service g", "created"}}),
            "Service a, Service c, Service d, Service e and 2 more: created; "
            "Deployment b: spec.replicas: 2 -> 3");
}

}  // namespace
}  // namespace levada::controller
