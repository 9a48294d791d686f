// Two topics in a few documents; each token's topic is summed out.
data {
  int<lower=2> V;
  int<lower=1> M;
  int<lower=0> N;
  array[N] int<lower=1, upper=V> w;
  array[N] int<lower=1, upper=M> doc;
}
parameters {
  // Releases of Stan differ in the coordinates of a simplex. Of the topics: a share; of the words: stick breaking.
  vector<lower=0, upper=1>[M] theta;
  array[2] vector[V - 1] phi;
}
model {
  array[2] vector[V] word;
  for (k in 1 : 2) {
    real rest = 1;
    for (v in 1 : V - 1) {
      real share = inv_logit(phi[k, v] - log(V - v));
      word[k, v] = rest * share;
      target += log(rest) + log(share) + log1m(share);
      rest *= 1 - share;
    }
    word[k, V] = rest;
  }
  for (n in 1 : N) {
    target += log_mix(theta[doc[n]], log(word[1, w[n]]), log(word[2, w[n]]));
  }
}
