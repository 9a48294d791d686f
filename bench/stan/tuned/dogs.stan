// Dogs learn to avoid a shock: each trial by the numbers of earlier avoidances and shocks.
data {
  int<lower=0> n_dogs;
  int<lower=0> n_trials;
  array[n_dogs, n_trials] int<lower=0, upper=1> y;
}
transformed data {
  int N = n_dogs * n_trials;
  array[N] int outcome = to_array_1d(y);
  matrix[N, 2] X;
  for (j in 1 : n_dogs) {
    int shocks = 0;
    for (t in 1 : n_trials) {
      int n = (j - 1) * n_trials + t;
      X[n, 1] = t - 1 - shocks;
      X[n, 2] = shocks;
      shocks += y[j, t];
    }
  }
}
parameters {
  vector[3] beta;
}
model {
  beta ~ normal(0, 100);
  outcome ~ bernoulli_logit_glm(X, beta[1], beta[2 : 3]);
}
