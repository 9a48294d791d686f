// Capture and recapture with a probability an occasion. The table is padded with rows of zeros; whether a row is an
// animal is summed out.
data {
  int<lower=0> M;
  int<lower=0> T;
  array[M, T] int<lower=0, upper=1> y;
}
transformed data {
  array[M] int captures;
  for (i in 1 : M) {
    captures[i] = sum(y[i]);
  }
}
parameters {
  real<lower=0, upper=1> omega;
  vector<lower=0, upper=1>[T] p;
}
model {
  for (i in 1 : M) {
    if (captures[i] > 0) {
      target += bernoulli_lpmf(1 | omega) + bernoulli_lpmf(y[i] | p);
    } else {
      target += log_sum_exp(bernoulli_lpmf(1 | omega) + bernoulli_lpmf(y[i] | p), bernoulli_lpmf(0 | omega));
    }
  }
}
