// Dogs learn to avoid a shock: each trial by the numbers of earlier avoidances and shocks.
data {
  int<lower=0> n_dogs;
  int<lower=0> n_trials;
  array[n_dogs, n_trials] int<lower=0, upper=1> y;
}
transformed data {
  array[n_dogs] vector[n_trials] avoidances;
  array[n_dogs] vector[n_trials] shocks;
  for (j in 1 : n_dogs) {
    shocks[j, 1] = 0;
    for (t in 2 : n_trials) {
      shocks[j, t] = shocks[j, t - 1] + y[j, t - 1];
    }
    for (t in 1 : n_trials) {
      avoidances[j, t] = t - 1 - shocks[j, t];
    }
  }
}
parameters {
  vector[3] beta;
}
model {
  beta ~ normal(0, 100);
  for (j in 1 : n_dogs) {
    y[j] ~ bernoulli_logit(beta[1] + beta[2] * avoidances[j] + beta[3] * shocks[j]);
  }
}
