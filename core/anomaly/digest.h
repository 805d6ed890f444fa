#pragma once

#include <cstdint>
#include <vector>

#include "core/anomaly/bytes.h"
#include "core/anomaly/tree.h"

// What a random cut forest with all of the past and without number of trees would say of one
// number, in closed form and some hundred bytes.
//
// In one dimension random cuts are easy. A cut falls into each gap between neighbouring numbers as
// an exponential clock of the gap's length rings; of the cuts to one side of x, that in a gap is on
// the way to x exactly if it rings before those in all the gaps between it and x. So the gap from a
// to b, as distances from x, is on the way with probability (b − a) / b, independently of the
// others (records of an F^α scheme, Nevzorov 1988), and the depth at which x is alone is
//
//   1 for each side where there is anything + about Poisson(Σ (b − a) / b over all further gaps).
//
// The sum hardly changes if numbers that lie close together, seen from x, become one. So at most
// `centroids` numbers are kept, each with its weight; when there is one too many the two that lie
// closest become one, at the place of the heavier. A number nearer to another than the gap that was
// closed last counts as that.
//
//   Digest digest(64, 10'000);
//   const double score = digest.Score(x);   // about 1: usual; log2 of the weight at most
//   digest.Add(x);
//
// What was seen once is forgotten after `memory` numbers, what was seen more often later.
//
// Thread-safety: one thread at a time.
namespace levada::anomaly {

class Digest {
 public:
  Digest(int centroids, int memory);

  bool empty() const { return places_.empty(); }
  // Of all that is remembered.
  double weight() const { return weight_; }
  // The expected inverse depth times log2(weight + 1), as Tree::Score.
  double Score(double x) const;
  void Add(double x);
  // The middle of what is remembered; 0 if that is nothing.
  double Median() const;

  // digest := anchor:double resolution:double weight:double phase:number count:number
  //           (place:float weight:float)*count
  // Places ascend; they are relative to the anchor, which is the first number.
  void Serialize(ByteWriter& out) const;
  void Parse(ByteReader& in);
  size_t ByteSize() const { return (places_.capacity() + weights_.capacity()) * sizeof(float); }

 private:
  struct Spot {
    float x;
    size_t above;    // the first place that is not below x
    size_t nearest;  // valid unless empty
    bool known;      // counts as the nearest
  };

  Spot Find(double x) const;
  void Forget();
  void Merge();

  size_t centroids_;
  int memory_;
  double anchor_ = 0;
  double resolution_ = 0;
  double weight_ = 0;
  int phase_ = 0;  // numbers since what is old was last forgotten
  std::vector<float> places_;
  std::vector<float> weights_;
};

}  // namespace levada::anomaly
