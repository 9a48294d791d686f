// A piecewise linear trend with changepoints, and additive or multiplicative regressors.
data {
  int<lower=1> T;
  int<lower=1> K;
  int<lower=0> S;
  vector[T] t;
  vector[S] t_change;
  vector[T] y;
  matrix[T, K] X;
  vector<lower=0>[K] sigmas;
  real<lower=0> tau;
  vector[K] s_a;
  vector[K] s_m;
}
transformed data {
  matrix[T, S] A;
  for (i in 1 : T) {
    for (j in 1 : S) {
      A[i, j] = t[i] >= t_change[j];
    }
  }
}
parameters {
  real k;
  real m;
  vector[S] delta;
  real<lower=0> sigma_obs;
  vector[K] beta;
}
model {
  vector[T] trend = (k + A * delta) .* t + m - A * (t_change .* delta);
  k ~ normal(0, 5);
  m ~ normal(0, 5);
  delta ~ double_exponential(0, tau);
  sigma_obs ~ normal(0, 0.5);
  beta ~ normal(0, sigmas);
  y ~ normal(trend .* (1 + X * (s_m .* beta)) + X * (s_a .* beta), sigma_obs);
}
