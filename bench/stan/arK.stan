// Autoregression of order K as a regression on a matrix of lagged values.
data {
  int<lower=0> K;
  int<lower=1> T;
  vector[T] y;
}
transformed data {
  matrix[T - K, K] lagged;
  for (k in 1 : K) {
    lagged[ : , k] = y[K + 1 - k : T - k];
  }
  vector[T - K] rest = y[K + 1 : T];
}
parameters {
  real alpha;
  vector[K] beta;
  real<lower=0> sigma;
}
model {
  alpha ~ normal(0, 10);
  beta ~ normal(0, 10);
  sigma ~ cauchy(0, 2.5);
  rest ~ normal(alpha + lagged * beta, sigma);
}
